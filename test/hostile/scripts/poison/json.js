// JSON is the script's.
// {"ends": ["ok"], "text": "contained$"}
JSON.stringify = (...args) => {
  kit.probe("stringify", args)
  return "poison"
}
JSON.parse = (...args) => {
  kit.probe("parse", args)
  return { poison: 1 }
}
text("a")
store("k", { a: 1 })
text(load("k").a === 1 ? "a" : "poison")
text(await tools.echo({ b: 2 }))
notify("n")
image({ image_url: "data:x", detail: "low" })
content([{ type: "text", text: "c" }])
for await (const one of as_settled([1])) text(one.status)
await stream_settled([2], () => {})
await new Promise((resolve) => setTimeout(resolve))
kit.verdict()
