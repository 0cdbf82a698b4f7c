// then of promises is the script's, and keeps what it is given.
// {"ends": ["ok"], "text": "contained$"}
const then = Promise.prototype.then
const kept = []
Promise.prototype.then = function(...args) {
  kept.push(this, ...args)
  return Reflect.apply(then, this, args)
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
kit.probe("kept", kept)
kit.verdict()
