// Calls a helper at the very end of the stack: image.
// {"ends": ["ok", "ScriptError"], "text": "contained$|exceeded|RangeError", "seconds": 20}
let n = 0
const f = () => {
  try {
    f()
  } catch {}
  if (n++ < 200) {
    try {
      image({ type: "image", data: "AA" })
    } catch (e) {
      kit.probe("thrown", e)
    }
  }
}
f()
kit.verdict()
