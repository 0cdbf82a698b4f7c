// caller, callee and arguments of functions.
// {"ends": ["ok"], "text": "contained$"}
function sloppy() {
  return 1
}
const spy = new Function("return arguments.callee.caller")
const old = new Function("return function f() { return [f.caller, f.arguments, arguments.callee.caller] }")()
for (const f of [spy, old, sloppy]) {
  try {
    const seen = []
    text({
      toJSON: () => {
        seen.push(f())
        return 1
      }
    })
    kit.probe("caller", seen)
  } catch (e) {
    kit.probe("thrown", e)
  }
}
const direct = new Function("return function toJSON() { kitSeen.push(toJSON.caller); return 1 }")
globalThis.kitSeen = []
text({ toJSON: direct() })
kit.probe("toJSON.caller", kitSeen)
globalThis.seen2 = kitSeen
const key = new Function("return { toString: function f() { kitSeen.push(f.caller, f.arguments); return 'k' } }")()
load(key)
kit.probe("toString.caller", kitSeen)
for (const f of [text, exit, tools.echo]) {
  try {
    kit.probe("caller of helper", [f.caller, f.arguments])
  } catch (e) {
    kit.probe("thrown", e)
  }
}
kit.verdict()
