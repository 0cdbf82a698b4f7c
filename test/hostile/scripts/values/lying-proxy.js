// A proxy that lies about everything.
// {"ends": ["ok", "ScriptError", "Terminated", "LimitExceeded"], "seconds": 3, "neighbour": "may be lost"}
const lie = new Proxy(function() {}, {
  get: (_, key) => key === Symbol.toPrimitive ? undefined : lie,
  has: () => true,
  apply: () => lie,
  construct: () => lie,
  getPrototypeOf: () => null,
  ownKeys: () => ["length", "name", "prototype"]
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
  for (const value of [lie]) {
    try {
      const result = f(value)
      result?.then?.(() => {}, () => {})
    } catch {}
  }
}
text("survived")
