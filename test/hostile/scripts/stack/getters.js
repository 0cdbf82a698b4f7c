// Recursion through getters and proxies.
// {"ends": ["ok"], "text": "^RangeError$"}
const p = new Proxy({}, { get: (_, key, self) => self[key] })
try {
  p.x
} catch (e) {
  text(e.name)
}
