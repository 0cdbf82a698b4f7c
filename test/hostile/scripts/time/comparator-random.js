// A comparator that contradicts itself.
// {"ends": ["ok", "Terminated"], "seconds": 5}
const a = Array.from({ length: 1e6 }, (_, i) => i)
a.sort(() => Math.random() - 0.5)
text(a.length)
