// Keeps filled arrays.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const a = []
for (;;) a.push(new Array(1000).fill({}))
