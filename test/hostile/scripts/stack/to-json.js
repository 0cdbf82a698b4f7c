// Recursion through toJSON.
// {"ends": ["ok"], "text": "^RangeError$", "seconds": 10}
const o = { toJSON: () => ({ o: { toJSON: o.toJSON } }) }
try {
  text(o)
} catch (e) {
  text(/call stack/.test(String(e)) ? "RangeError" : String(e))
}
