// Never leaves the microtask queue.
// {"ends": ["Terminated"]}
for (;;) await 0
