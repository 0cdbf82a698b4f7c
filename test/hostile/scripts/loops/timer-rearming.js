// Timers that set timers.
// {"ends": ["Terminated"]}
const f = () => setTimeout(f)
for (let i = 0; i < 100; i++) f()
await new Promise(() => {})
