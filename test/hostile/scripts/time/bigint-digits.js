// Long divisions.
// {"ends": ["ok", "Terminated", "LimitExceeded"], "neighbour": "may be lost"}
let x = 1n
for (let i = 1n; i < 30000n; i++) x *= i
text(String(x).length)
