// Setters for the indices of arrays.
// {"ends": ["ok"], "text": "contained$"}
for (let i = 0; i < 10; i++) {
  Object.defineProperty(Array.prototype, i, {
    configurable: true,
    get: () => "poison",
    set(value) {
      kit.probe("value", value)
      kit.probe("this", this)
      Object.defineProperty(this, i, { __proto__: null, value, writable: true, configurable: true, enumerable: true })
    }
  })
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
