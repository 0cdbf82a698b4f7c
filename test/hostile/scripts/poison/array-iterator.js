// The iterator of arrays is the script's.
// {"ends": ["ok"], "text": "contained$"}
const next = Object.getPrototypeOf([][Symbol.iterator]()).next
Object.getPrototypeOf([][Symbol.iterator]()).next = function() {
  const result = Reflect.apply(next, this, [])
  kit.probe("next", result)
  return result
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
