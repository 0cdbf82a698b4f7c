// captureStackTrace and its limit within helpers.
// {"ends": ["ok"], "text": "contained$"}
Error.stackTraceLimit = Infinity
const o = {}
text({
  toJSON() {
    Error.captureStackTrace(o)
    return 1
  }
})
if (/isolated|prelude|lane|node:|file:|\/[a-z]+\//.test(o.stack)) kit.found(o.stack)
Object.defineProperty(Error, "stackTraceLimit", {
  get() {
    kit.probe("limit this", this)
    return 1e9
  }
})
try {
  text({ a: 1n })
} catch (e) {
  kit.probe("thrown", e)
}
kit.verdict()
