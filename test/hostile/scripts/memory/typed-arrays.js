// Typed arrays of doubles.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const a = []
for (;;) a.push(new Float64Array(2 ** 20).fill(1.5))
