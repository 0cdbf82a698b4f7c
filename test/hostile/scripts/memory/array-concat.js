// Doubles an array.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20, "neighbour": "may be lost"}
let a = [1.5]
for (;;) a = a.concat(a)
