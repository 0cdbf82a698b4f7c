// Suspended async functions.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const never = new Promise(() => {})
for (;;) (async () => await never)()
