// Iterators that helpers drive see nothing of theirs.
// {"ends": ["ok"], "text": "contained$"}
const iterator = (path) => ({
  [Symbol.iterator]() {
    kit.probe(path + " this", this)
    return {
      next(...args) {
        kit.probe(path + " next", [this, ...args])
        return {
          done: false,
          get value() {
            kit.probe(path + " value", this)
            return { type: "text", text: "x" }
          }
        }
      },
      return(...args) {
        kit.probe(path + " return", args)
        return {}
      },
      throw(...args) {
        kit.probe(path + " throw", args)
      }
    }
  }
})
let n = 0
const bounded = (path) => {
  const it = iterator(path)[Symbol.iterator]()
  return { [Symbol.iterator]: () => ({ ...it, next: () => n++ % 3 === 2 ? { done: true } : it.next() }) }
}
content(bounded("content"))
for await (const one of as_settled(bounded("as_settled"))) kit.probe("one", one)
await stream_settled(bounded("stream"), () => {})
kit.verdict()
