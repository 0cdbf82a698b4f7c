// Accessors without end.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const a = []
for (;;) a.push(Object.defineProperty({}, "x", { get: () => a }))
