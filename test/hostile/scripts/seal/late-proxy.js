// Makes its first proxy of a function while a helper reads a value, for the helper to call.
// {"ends": ["ok"], "text": "contained$", "seconds": 20}
const heard = []
const thrown = []
const spy = (result) => {
  try {
    return new Proxy(function() {}, {
      apply(target, self, args) {
        heard.push(args)
        return result
      }
    })
  } catch (error) {
    thrown.push(error)
    return () => result
  }
}
const late = () => ({
  get first() {
    Object.defineProperty(this, "second", { enumerable: true, get: spy(1) })
    return 1
  },
  second: 2
})
text(late())
store("k", late())
load({
  get toString() {
    return spy("k")
  }
})
clearTimeout({
  get valueOf() {
    return spy(1)
  }
})
if (thrown.length !== 4) kit.found("a proxy that was not refused")
if (heard.some((args) => !(args instanceof Array))) kit.found("arguments of another realm")
kit.probeAll("thrown", thrown)
text({ toJSON: () => Proxy.revocable({}, {}).proxy })
text({ toJSON: new Proxy(() => "x", {}) })
text({ toJSON: () => spy("x")() })
kit.probeAll("heard", heard)
kit.verdict()
