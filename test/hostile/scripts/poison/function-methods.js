// call, apply, bind and toString of functions are the script's.
// {"ends": ["ok"], "text": "contained$"}
for (const key of ["call", "apply", "bind", "toString"]) {
  Object.defineProperty(Function.prototype, key, {
    value(...args) {
      kit.probe("this of " + String(key), this)
      kit.probe(String(key), args)
      return "poison"
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
