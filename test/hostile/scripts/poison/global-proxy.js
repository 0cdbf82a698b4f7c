// The global object has a proxy for its prototype, where it may.
// {"ends": ["ok"], "text": "contained$"}
try {
  Object.setPrototypeOf(
    globalThis,
    new Proxy({}, {
      get(_, key) {
        return "poison"
      }
    })
  )
} catch {}
try {
  Object.setPrototypeOf(Object.getPrototypeOf(globalThis), new Proxy({}, {}))
} catch {}
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
