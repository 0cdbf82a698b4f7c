// Objects without a prototype, in every argument.
// {"ends": ["ok"], "text": "survived$", "seconds": 10}
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
  for (
    const value of [
      Object.create(null),
      Object.setPrototypeOf([], null),
      Object.setPrototypeOf(() => {}, null),
      Object.setPrototypeOf(new Map(), null),
      Object.setPrototypeOf(new Error("x"), null),
      Object.setPrototypeOf(Promise.resolve(), null)
    ]
  ) {
    try {
      const result = f(value)
      result?.then?.(() => {}, () => {})
    } catch {}
  }
}
text("survived")
