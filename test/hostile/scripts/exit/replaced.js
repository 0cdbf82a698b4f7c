// A replaced exit ends nothing, the kept one does.
// {"ends": ["ok"], "text": "^mine$"}
const kept = exit
globalThis.exit = () => "mine"
text(exit())
kept()
text("ESCAPED: after exit")
