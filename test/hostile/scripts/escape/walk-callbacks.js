// Walks over everything that a callback is given.
// {"ends": ["ok"], "text": "contained$", "seconds": 20}
const hear = (path) =>
  function(...args) {
    kit.probe(path + " this", this)
    kit.probe(path + " arguments", args)
    return "x"
  }
text({ toJSON: hear("toJSON") })
store({ toString: hear("toString") }, 1)
load({ [Symbol.toPrimitive]: hear("toPrimitive") })
clearTimeout({ valueOf: hear("valueOf") })
image({
  get image_url() {
    hear("image_url").call(this)
    return "data:x"
  }
})
try {
  content({ [Symbol.iterator]: hear("iterator") })
} catch {}
await new Promise((resolve) =>
  setTimeout(function(...args) {
    hear("timer").apply(this, args)
    resolve()
  })
)
await stream_settled([1], hear("stream"))
for await (
  const one of as_settled([{ then: hear("then") }].map((t) => ({
    then(...args) {
      kit.probe("resolvers", args)
      args[0](1)
    }
  })))
) kit.probe("one", one)
kit.verdict()
