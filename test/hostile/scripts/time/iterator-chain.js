// A deep chain of iterator helpers.
// {"ends": ["ok"], "text": "^(1|RangeError)$", "seconds": 10}
let i = Iterator.from([1])
for (let n = 0; n < 1e5; n++) i = i.map((x) => x)
try {
  text(i.next().value)
} catch (e) {
  text(e.name)
}
