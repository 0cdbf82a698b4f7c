// Compiles at the very end of the stack, which can crash V8.
// {"ends": ["ok", "ScriptError", "LimitExceeded", "IsolateLost"], "seconds": 10, "neighbour": "may be lost"}
let n = 0
;(function f() {
  try {
    f()
  } catch {}
  if (n < 3000) {
    try {
      n++
      eval("1+" + n)
    } catch {}
  }
})()
text("survived")
