// Doubles an array by spreading.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
let a = [1.5]
for (;;) a = [...a, ...a]
