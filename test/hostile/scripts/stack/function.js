// Makes functions at the very end of the stack.
// {"ends": ["ok", "ScriptError", "LimitExceeded", "IsolateLost"], "seconds": 10, "neighbour": "may be lost"}
let n = 0
;(function f() {
  try {
    f()
  } catch {}
  if (n < 3000) {
    try {
      n++
      new Function("a", "return a + " + n)
    } catch {}
  }
})()
text("survived")
