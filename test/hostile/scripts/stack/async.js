// A chain of a hundred thousand awaits.
// {"ends": ["ok"], "text": "^(RangeError|100000)$", "seconds": 10}
const f = async (n) => n === 0 ? 0 : 1 + await f(n - 1)
try {
  text(await f(1e5))
} catch (e) {
  text(e.name)
}
