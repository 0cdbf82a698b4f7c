// Microtasks do not outlive exit.
// {"ends": ["ok"]}
Promise.resolve().then(() => text("ESCAPED: microtask"))
exit()
