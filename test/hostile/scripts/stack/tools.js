// Calls a helper at the very end of the stack: tools.
// {"ends": ["ok", "ScriptError"], "text": "contained$|exceeded|RangeError", "seconds": 20}
let n = 0
const f = () => {
  try {
    f()
  } catch {}
  if (n++ < 200) {
    try {
      kit.probe("call", tools.echo({ a: 1 }))
    } catch (e) {
      kit.probe("thrown", e)
    }
  }
}
f()
kit.verdict()
