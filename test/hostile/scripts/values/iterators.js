// Iterators that break the protocol, in every argument.
// {"ends": ["ok", "ScriptError"], "text": "survived$|.", "seconds": 10}
const broken = [
  { next: 5 },
  { next: () => 5 },
  {
    next: () => ({
      get done() {
        throw 1
      }
    })
  },
  {
    next() {
      throw 1
    }
  },
  5,
  null,
  {}
]
const take = [
  text,
  image,
  audio,
  generatedImage,
  content,
  notify,
  (x) => store("k", x),
  (x) => store(x, 1),
  load,
  clearTimeout,
  setTimeout,
  as_settled,
  (x) => stream_settled(x, x),
  (x) => stream_settled([x], x),
  tools.echo,
  (x) => image("data:x", x),
  (x) => setTimeout(() => {}, x),
  (x) => content([x])
]
for (const f of take) {
  for (const value of broken.map((iterator) => ({ [Symbol.iterator]: () => iterator }))) {
    try {
      const result = f(value)
      result?.then?.(() => {}, () => {})
    } catch {}
  }
}
text("survived")
