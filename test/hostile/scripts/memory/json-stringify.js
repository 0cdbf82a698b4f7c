// Doubles JSON.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20, "neighbour": "may be lost"}
let s = "x"
for (;;) s = JSON.stringify([s, s])
