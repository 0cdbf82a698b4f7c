// Ten thousand timers at once.
// {"ends": ["ok"], "text": "^10000$", "seconds": 20}
let n = 0
await new Promise((resolve) => {
  for (let i = 0; i < 1e4; i++) setTimeout(() => ++n === 1e4 && resolve(), 1)
})
text(n)
