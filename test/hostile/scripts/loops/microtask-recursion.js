// Refills the microtask queue from a promise job. Each promise waits for the next one, so that it fills its heap, too.
// {"ends": ["Terminated", "LimitExceeded"]}
const f = () => Promise.resolve().then(f)
f()
await new Promise(() => {})
