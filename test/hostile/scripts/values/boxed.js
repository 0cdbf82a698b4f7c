// Boxed and subclassed builtins in every argument.
// {"ends": ["ok", "ScriptError"], "text": "survived$|.", "seconds": 10}
class S extends String {}
class A extends Array {}
class M extends Map {
  get size() {
    throw 1
  }
}
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
      new S("x"),
      new A(3),
      new M(),
      new Boolean(false),
      new Date(NaN),
      /x/,
      new Uint8Array(3),
      new ArrayBuffer(8),
      new WeakMap(),
      Math,
      JSON,
      Reflect,
      Intl,
      globalThis
    ]
  ) {
    try {
      const result = f(value)
      result?.then?.(() => {}, () => {})
    } catch {}
  }
}
text("survived")
