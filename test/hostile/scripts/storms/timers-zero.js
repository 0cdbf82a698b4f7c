// Timers that fire at once, without end.
// {"ends": ["Terminated", "LimitExceeded"], "neighbour": "may be lost"}
for (let i = 0;; i++) {
  setTimeout(() => {})
  if (i % 1000 === 0) await 0
}
