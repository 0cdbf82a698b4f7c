// Calls a helper at the very end of the stack: timer.
// {"ends": ["ok", "ScriptError"], "text": "contained$|exceeded|RangeError", "seconds": 20}
let n = 0
const f = () => {
  try {
    f()
  } catch {}
  if (n++ < 200) {
    try {
      setTimeout(() => {})
    } catch (e) {
      kit.probe("thrown", e)
    }
  }
}
f()
kit.verdict()
