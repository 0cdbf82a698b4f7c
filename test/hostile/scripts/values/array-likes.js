// Array-likes and arrays with holes, getters and absurd lengths.
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
      { length: -1 },
      { length: 2 ** 53 },
      {
        length: {
          valueOf() {
            throw 1
          }
        }
      },
      Object.defineProperty([1], "0", {
        get() {
          throw 1
        }
      }),
      new Array(100),
      Object.assign([], { toJSON: 5 })
    ]
  ) {
    try {
      const result = f(value)
      result?.then?.(() => {}, () => {})
    } catch {}
  }
}
text("survived")
