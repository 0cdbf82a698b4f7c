// Typed arrays of the newest kind.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const a = []
for (;;) a.push(new Float16Array(2 ** 22).fill(1))
