// Source text nested too deeply for the parser.
// {"ends": ["ok"], "text": "RangeError|SyntaxError", "seconds": 10}
try {
  eval("(".repeat(1e6))
} catch (e) {
  text(e.name)
}
