// Numbers that are not what they seem, in every argument.
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
      1e308,
      -1e308,
      5e-324,
      2 ** 31,
      2 ** 32,
      -(2 ** 31) - 1,
      { valueOf: () => 2 ** 60 },
      new Number(NaN),
      Object(1n),
      Object(Symbol())
    ]
  ) {
    try {
      const result = f(value)
      result?.then?.(() => {}, () => {})
    } catch {}
  }
}
text("survived")
