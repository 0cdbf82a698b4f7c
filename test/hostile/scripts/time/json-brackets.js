// A megabyte of brackets.
// {"ends": ["ok"], "text": "SyntaxError|RangeError", "seconds": 10}
try {
  JSON.parse("[".repeat(1e6))
} catch (e) {
  text(e.name)
}
