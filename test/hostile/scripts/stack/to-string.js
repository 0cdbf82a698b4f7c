// Recursion through toString.
// {"ends": ["ok"], "text": "^RangeError$"}
const a = { toString: () => "a" + b }
const b = { toString: () => "b" + a }
try {
  String(b)
} catch (e) {
  text(e.name)
}
