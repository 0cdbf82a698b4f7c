// Accessors on Object.prototype for every name that a helper might read.
// {"ends": ["ok", "ScriptError"], "text": "contained$"}
for (
  const key of [
    "get",
    "set",
    "value",
    "writable",
    "enumerable",
    "configurable",
    "type",
    "text",
    "data",
    "mimeType",
    "mime_type",
    "image_url",
    "audio_url",
    "detail",
    "_meta",
    "output_hint",
    "resolve",
    "reject",
    "promise",
    "id",
    "tool",
    "input",
    "name",
    "status",
    "index",
    "reason",
    "next",
    "done",
    "return",
    "stack",
    "message",
    "length",
    "0",
    "1"
  ]
) {
  Object.defineProperty(Object.prototype, key, {
    __proto__: null,
    configurable: true,
    get() {
      kit.probe("this of " + key, this)
      return undefined
    },
    set(value) {
      kit.probe("this of " + key, this)
      kit.probe("value of " + key, value)
      Object.defineProperty(this, key, { __proto__: null, value, writable: true, configurable: true, enumerable: true })
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
