// Objects all of whose properties throw, in every argument.
// {"ends": ["ok"], "text": "survived$", "seconds": 10}
const keys = [
  "type",
  "text",
  "data",
  "image_url",
  "audio_url",
  "detail",
  "output_hint",
  "mimeType",
  "_meta",
  "stack",
  "toString",
  "valueOf",
  "toJSON",
  "then",
  "length",
  "constructor",
  Symbol.iterator,
  Symbol.toPrimitive,
  Symbol.toStringTag
]
const one = (key) =>
  Object.defineProperty({}, key, {
    get() {
      throw {
        get stack() {
          throw 1
        }
      }
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
  for (const value of keys.map(one)) {
    try {
      const result = f(value)
      result?.then?.(() => {}, () => {})
    } catch {}
  }
}
text("survived")
