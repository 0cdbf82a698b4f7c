// Calls a helper at the very end of the stack: clear-timeout.
// {"ends": ["ok", "ScriptError"], "text": "contained$|exceeded|RangeError", "seconds": 20}
let n = 0
const f = () => {
  try {
    f()
  } catch {}
  if (n++ < 200) {
    try {
      clearTimeout({ valueOf: () => f() })
    } catch (e) {
      kit.probe("thrown", e)
    }
  }
}
f()
kit.verdict()
