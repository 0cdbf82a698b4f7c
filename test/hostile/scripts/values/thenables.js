// Thenables that misbehave, in every argument.
// {"ends": ["ok", "ScriptError"], "text": "survived$|.", "seconds": 10}
const thens = [
  () => {
    throw 1
  },
  (resolve) => {
    resolve(1)
    resolve(2)
    throw 3
  },
  (_, reject) =>
    reject({
      get stack() {
        throw 1
      }
    }),
  () => {},
  5
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
  for (const value of thens.map((then) => [{ then }])) {
    try {
      const result = f(value)
      result?.then?.(() => {}, () => {})
    } catch {}
  }
}
text("survived")
