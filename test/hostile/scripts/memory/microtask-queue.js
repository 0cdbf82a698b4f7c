// Fills the microtask queue.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const p = Promise.resolve()
for (;;) p.then(() => {})
