// Values on Object.prototype.
// {"ends": ["ok", "ScriptError"], "text": "contained$|poison|content"}
Object.prototype.detail = "low"
Object.prototype.toJSON = function() {
  kit.probe("toJSON this", this)
  return "poison"
}
Object.prototype.type = "text"
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
