// Map, Set and their methods are the script's.
// {"ends": ["ok"], "text": "contained$"}
for (const C of [Map, Set, WeakMap, WeakSet]) {
  for (const key of Object.getOwnPropertyNames(C.prototype)) {
    try {
      if (typeof C.prototype[key] === "function") {
        C.prototype[key] = function(...args) {
          kit.probe(key, args)
          kit.probe(key + " this", this)
        }
      }
    } catch {}
  }
  globalThis[C.name] = class Poison {}
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
