// Errors from V8 itself within helpers belong to this realm.
// {"ends": ["ok", "LimitExceeded"], "text": "contained$|memory", "seconds": 20, "neighbour": "may be lost"}
const kinds = [
  () => tools.echo(1n),
  () => text({ a: 1n }),
  () => text(new Proxy({}, { get: null, ownKeys: () => [1] })),
  () => setTimeout(Symbol()),
  () => as_settled(5),
  () => as_settled({ [Symbol.iterator]: 5 }),
  () => image({ image_url: { toString: 1 } }),
  () => load(Object.create(null)),
  () => clearTimeout(Symbol()),
  () => text("x".repeat(2 ** 29)),
  () => new text(),
  () => new tools.echo(),
  () => Reflect.construct(text, [])
]
for (const run of kinds) {
  try {
    run()
  } catch (e) {
    kit.probe("thrown", e)
  }
}
kit.verdict()
