// A proxy all of whose traps throw, in every argument.
// {"ends": ["ok"], "text": "survived$", "seconds": 10}
const traps = new Proxy({}, {
  get: () => () => {
    throw new Error("trap")
  }
})
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
  for (const value of [new Proxy({}, traps), new Proxy([], traps), new Proxy(() => {}, traps)]) {
    try {
      const result = f(value)
      result?.then?.(() => {}, () => {})
    } catch {}
  }
}
text("survived")
