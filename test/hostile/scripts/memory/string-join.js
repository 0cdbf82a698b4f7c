// Joins one large string with itself.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const a = []
for (let i = 0;; i++) a.push(new Array(1000).join("y".repeat(1e4)) + i)
