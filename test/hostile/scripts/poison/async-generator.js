// The prototype of async generators is the script's.
// {"ends": ["ok"], "text": "contained$"}
const AsyncGenerator = Object.getPrototypeOf(Object.getPrototypeOf((async function*() {})()))
const next = AsyncGenerator.next
AsyncGenerator.next = function(...args) {
  kit.probe("this", this)
  return Reflect.apply(next, this, args)
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
