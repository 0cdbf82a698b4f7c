// exit at the end of the stack.
// {"ends": ["ok", "ScriptError", "IsolateLost", "Terminated"], "neighbour": "may be lost"}
let n = 0
const f = () => {
  n++
  try {
    f()
  } catch {
    exit()
  }
}
f()
