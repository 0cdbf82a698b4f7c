// Refills the microtask queue from a promise job.
// {"ends": ["Terminated"]}
const f = () => Promise.resolve().then(f)
f()
await new Promise(() => {})
