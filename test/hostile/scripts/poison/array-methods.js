// Every method of Array.prototype is the script's.
// {"ends": ["ok"], "text": "contained$"}
for (const key of Object.getOwnPropertyNames(Array.prototype)) {
  if (typeof Array.prototype[key] !== "function" || key === "constructor") continue
  const original = Array.prototype[key]
  Array.prototype[key] = function(...args) {
    kit.probe(key + " this", this)
    return Reflect.apply(original, this, args)
  }
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
