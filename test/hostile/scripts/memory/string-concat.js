// Doubles a string.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20, "neighbour": "may be lost"}
let s = "x"
for (;;) {
  s += s
  s.charCodeAt(s.length - 1)
}
