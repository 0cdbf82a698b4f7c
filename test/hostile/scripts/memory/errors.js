// Errors with deep stacks.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
Error.stackTraceLimit = Infinity
const a = []
const f = (n) => n === 0 ? new Error("x") : f(n - 1)
for (;;) a.push(f(500))
