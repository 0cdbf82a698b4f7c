// Every method of String.prototype is the script's.
// {"ends": ["ok"], "text": "contained$"}
for (const key of Object.getOwnPropertyNames(String.prototype)) {
  if (typeof String.prototype[key] !== "function" || key === "constructor") continue
  String.prototype[key] = function(...args) {
    kit.probe(key, args)
    return "poison"
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
