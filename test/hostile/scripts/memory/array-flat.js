// Flattens an array into itself.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20, "neighbour": "may be lost"}
let a = [1]
for (;;) a = [a, a].flat(Infinity)
