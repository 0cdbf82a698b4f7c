// Well-known symbols on Object.prototype.
// {"ends": ["ok", "ScriptError"], "text": "contained$|iterable|undefined"}
for (
  const key of [
    "iterator",
    "asyncIterator",
    "toPrimitive",
    "toStringTag",
    "hasInstance",
    "isConcatSpreadable",
    "species",
    "unscopables",
    "match",
    "replace"
  ]
) {
  Object.defineProperty(Object.prototype, Symbol[key], {
    configurable: true,
    get() {
      kit.probe("this of " + key, this)
      return undefined
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
