// Compiles expressions at the very end of the stack.
// {"ends": ["ok", "ScriptError", "LimitExceeded", "IsolateLost"], "seconds": 10, "neighbour": "may be lost"}
let n = 0
;(function f() {
  try {
    f()
  } catch {}
  if (n < 1000) {
    try {
      n++
      new RegExp("((a|b)*c){2}" + n).test("abc")
    } catch {}
  }
})()
text("survived")
