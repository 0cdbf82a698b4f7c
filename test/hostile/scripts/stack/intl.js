// Formats at the very end of the stack.
// {"ends": ["ok", "ScriptError", "LimitExceeded", "IsolateLost"], "seconds": 10, "neighbour": "may be lost"}
let n = 0
;(function f() {
  try {
    f()
  } catch {}
  if (n < 100) {
    try {
      n++
      new Intl.NumberFormat("de").format(n)
    } catch {}
  }
})()
text("survived")
