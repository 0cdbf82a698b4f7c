// A call with a million arguments.
// {"ends": ["ok"], "text": "^(1|RangeError)$"}
try {
  text(String(Math.max(...new Array(1e6).fill(1))))
} catch (e) {
  text(e.name)
}
