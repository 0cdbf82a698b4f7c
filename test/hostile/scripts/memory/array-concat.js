// Doubles an array.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
let a = [1.5]
for (;;) a = a.concat(a)
