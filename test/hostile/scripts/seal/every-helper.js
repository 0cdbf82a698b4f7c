// Calls every helper with each number of frames left on the stack, and looks at all that comes out.
// {"ends": ["ok"], "text": "contained$", "seconds": 60}
const calls = {
  text: [() => text("x"), () => text({ a: [1] }), () => text(Symbol())],
  image: [() => image("zz"), () => image(1), () => image({ type: "audio" }), () => image("data:x", "no")],
  audio: [() => audio("zz"), () => audio({ type: "audio", data: "AA" })],
  generatedImage: [() => generatedImage(1), () => generatedImage({ output_hint: 1 })],
  content: [
    () => content({ type: "text" }),
    () => content([{ type: "text", text: "x" }]),
    () => content([1]),
    () => content({ content: [1] })
  ],
  store: [() => store("k", 1), () => store("k", () => 1), () => store(Symbol(), 1)],
  load: [() => load("k"), () => load("nothing"), () => load(Symbol())],
  notify: [() => notify("x"), () => notify(" ")],
  yield_control: [() => yield_control()],
  setTimeout: [() => setTimeout(() => {}, 1), () => setTimeout(1), () => setTimeout(() => {}, 1n)],
  clearTimeout: [() => clearTimeout(1), () => clearTimeout(Symbol())],
  as_settled: [() => as_settled([1]), () => as_settled(1), () => as_settled(new Map([[1, 2]]))],
  stream_settled: [() => stream_settled([1], () => {}).catch(() => {}), () => stream_settled([1]).catch(() => {})],
  tools: [() => tools.echo({ a: 1 }), () => tools.echo(() => 1), () => tools.fail({}).catch(() => {})],
  ArrayBuffer: [
    () => new ArrayBuffer(8, { maxByteLength: 16 }),
    () => new ArrayBuffer(-1),
    () => new ArrayBuffer(8, { maxByteLength: 2 ** 40 }),
    () => new ArrayBuffer(8).transfer(-1)
  ],
  Proxy: [() => new Proxy({}, {}), () => new Proxy(1, 1), () => Proxy.revocable({}, {}), () => Proxy()]
}
store("k", { a: 1 })
for (const [name, ways] of Object.entries(calls)) {
  for (const way of ways) {
    kit.probeAll(name, kit.atEachDepth(2_000, way))
  }
}
// With the frames a little larger, so that the ends of the stack lie elsewhere.
for (const [name, ways] of Object.entries(calls)) {
  kit.probeAll(name, kit.atEachDepth(500, (a, b, c) => [a, b, c, ways[0]()]))
}
kit.verdict()
