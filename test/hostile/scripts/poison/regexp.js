// Every method of RegExp.prototype is the script's.
// {"ends": ["ok"], "text": "contained$"}
for (const key of ["exec", "test", Symbol.match, Symbol.replace, Symbol.split, Symbol.matchAll, "flags"]) {
  Object.defineProperty(RegExp.prototype, key, {
    value(...args) {
      kit.probe(String(key), args)
      return null
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
