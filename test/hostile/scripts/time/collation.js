// Sorts by locale.
// {"ends": ["ok", "Terminated"]}
const a = Array.from({ length: 2e5 }, () => String(Math.random()))
a.sort((x, y) => x.localeCompare(y, "zh"))
text("done")
