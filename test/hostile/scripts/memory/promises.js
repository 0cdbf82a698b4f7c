// Promises that nobody settles.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const a = []
for (;;) a.push(new Promise(() => {}).then(() => a))
