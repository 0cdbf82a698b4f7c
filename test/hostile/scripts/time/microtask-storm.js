// A million microtasks at once.
// {"ends": ["ok"], "text": "^100000$", "seconds": 10}
let n = 0
await Promise.all(Array.from({ length: 1e5 }, () => Promise.resolve().then(() => n++)))
text(n)
