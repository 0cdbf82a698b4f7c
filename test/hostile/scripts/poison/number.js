// Number, Math and Date are the script's.
// {"ends": ["ok"], "text": "contained$"}
Number.isInteger =
  Math.trunc =
  Date.now =
  Number =
  Math.min =
    (...args) => {
      kit.probe("args", args)
      return NaN
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
