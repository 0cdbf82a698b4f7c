// Call sites give away the functions and receivers of their frames.
// {"ends": ["ok"], "text": "contained$", "seconds": 20}
const sites = []
Error.prepareStackTrace = (error, frames) => {
  for (const f of frames) {
    for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(f))) {
      try {
        const value = f[name]()
        if (name === "getFileName" && value !== null && !/exec_main|anonymous|^$/.test(String(value))) {
          sites.push(String(value))
        }
        kit.probe(name, value)
      } catch {}
    }
  }
  return "x"
}
const look = () => new Error("x").stack
text({ toJSON: look })
image({
  get image_url() {
    look()
    return "data:x"
  }
})
load({ toString: look })
try {
  content({
    *[Symbol.iterator]() {
      look()
    }
  })
} catch {}
await new Promise((resolve) => setTimeout(() => resolve(look())))
for await (const x of as_settled([{ then: (r) => r(look()) }])) x
await stream_settled([1], look)
Promise.resolve().then(look)
await 0
try {
  tools.echo(1n)
} catch (e) {
  kit.probe("thrown", e)
  void e?.stack
}
if (sites.length) kit.found(sites.join())
kit.verdict()
