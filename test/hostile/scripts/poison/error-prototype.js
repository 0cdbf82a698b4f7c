// Getters on Error.prototype.
// {"ends": ["ok"], "text": "contained$"}
for (const key of ["name", "message", "stack", "toString", "cause"]) {
  Object.defineProperty(Error.prototype, key, {
    configurable: true,
    get() {
      kit.probe("this of " + key, this)
      throw "poison"
    }
  })
}
try {
  text({ a: 1n })
} catch (e) {
  kit.probe("thrown", e)
}
text("a")
store("k", { a: 1 })
text(load("k").a)
text(await tools.echo({ b: 2 }))
notify("n")
image({ image_url: "data:x", detail: "low" })
content([{ type: "text", text: "c" }])
for await (const one of as_settled([1])) text(one.status)
await stream_settled([2], () => {})
await new Promise((resolve) => setTimeout(resolve))
kit.verdict()
