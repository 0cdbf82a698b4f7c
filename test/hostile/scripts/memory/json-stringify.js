// Doubles JSON.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
let s = "x"
for (;;) s = JSON.stringify([s, s])
