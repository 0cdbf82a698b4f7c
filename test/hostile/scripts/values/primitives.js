// Odd primitives in every argument.
// {"ends": ["ok", "ScriptError"], "text": "survived$|.", "seconds": 10}
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
      undefined,
      null,
      NaN,
      -0,
      Infinity,
      2 ** 53,
      1n,
      -1n,
      Symbol(),
      Symbol.iterator,
      "",
      "\0",
      "\ud800",
      "\u2028",
      true,
      "__proto__"
    ]
  ) {
    try {
      const result = f(value)
      result?.then?.(() => {}, () => {})
    } catch {}
  }
}
text("survived")
