// Looks at the call sites of errors that arise within helpers, at each depth.
// {"ends": ["ok"], "text": "contained$", "seconds": 60}
let heard = []
Error.prepareStackTrace = (error, sites) => {
  heard.push(error, sites, ...sites)
  for (const site of sites) {
    for (const method of ["getThis", "getFunction", "getFileName", "getTypeName", "getEvalOrigin"]) {
      try {
        heard.push(site[method]())
      } catch (thrown) {
        heard.push(thrown)
      }
    }
  }
  return "stack"
}
const calls = [
  () => text({ toJSON: () => new Error("x").stack }),
  () =>
    image({
      get image_url() {
        return new Error("x").stack
      }
    }),
  () => content(Object.defineProperty({}, Symbol.iterator, { get: () => void new Error("x").stack })),
  () =>
    new ArrayBuffer(8, {
      get maxByteLength() {
        return new Error("x").stack
      }
    }),
  () => new ArrayBuffer(8, { maxByteLength: 2 ** 40 }),
  () =>
    as_settled([{
      get then() {
        return void new Error("x").stack
      }
    }]),
  () =>
    text({
      toJSON() {
        throw new Error("x")
      }
    })
]
for (const call of calls) {
  for (const value of kit.atEachDepth(300, call)) {
    heard.push(value)
    try {
      heard.push(value.stack)
    } catch {}
  }
  kit.probeAll("call sites", heard)
  heard = []
}
kit.verdict()
