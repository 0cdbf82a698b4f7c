// Calls helpers so often that V8 optimizes them, and looks at what they hand to callbacks.
// {"ends": ["ok"], "text": "contained$", "seconds": 60}
let foreign = 0
const spy = (result) =>
  new Proxy(function() {}, {
    apply(target, self, args) {
      if (!(args instanceof Array)) foreign++
      return result
    }
  })
const calls = {
  "a key as text": [{ toString: spy("k") }, (key) => load(key)],
  "a key as a primitive": [{ [Symbol.toPrimitive]: spy("k") }, (key) => load(key)],
  "a key that is a proxy": [new Proxy({}, { get: spy(() => "k") }), (key) => load(key)],
  "a key to store": [{ toString: spy("k") }, (key) => store(key, 1)],
  "a timer": [{ valueOf: spy(1) }, (timer) => clearTimeout(timer)],
  "a buffer": [{ valueOf: spy(8) }, (length) => new ArrayBuffer(length, { maxByteLength: 0 })],
  "a buffer's bound": [{ valueOf: spy(8) }, (maxByteLength) => new ArrayBuffer(0, { maxByteLength })],
  toJSON: [{ toJSON: spy(undefined) }, (value) => store("k", value)],
  getter: [Object.defineProperty({}, "image_url", { get: spy(1) }), (value) => image(value)],
  "a trap": [new Proxy({}, { get: spy(undefined), has: spy(false) }), (value) => image(value)],
  iterator: [{ [Symbol.iterator]: spy({ next: spy({ done: true }) }) }, (value) => content(value)]
}
for (const [name, [value, call]] of Object.entries(calls)) {
  for (let i = 0; i < 20_000; i++) {
    try {
      call(value)
    } catch {}
  }
  if (foreign > 0) kit.found(name + ": arguments of another realm")
  foreign = 0
}
kit.verdict()
