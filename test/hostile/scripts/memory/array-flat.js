// Flattens an array into itself.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
let a = [1]
for (;;) a = [a, a].flat(Infinity)
