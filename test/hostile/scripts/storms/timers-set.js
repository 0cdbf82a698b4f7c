// Timers set and cleared without end.
// {"ends": ["Terminated", "LimitExceeded"]}
for (;;) clearTimeout(setTimeout(() => {}, 1e6))
