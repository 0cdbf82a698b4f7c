// Makes helpers call every kind of callback with each number of frames left, and looks at all that these are handed.
// {"ends": ["ok"], "text": "contained$", "seconds": 60}
let heard = []
const spy = (result) =>
  new Proxy(function() {}, {
    apply(target, self, args) {
      heard.push(self, args)
      return typeof result === "function" ? result() : result
    },
    construct(target, args, newTarget) {
      heard.push(args, newTarget)
      return {}
    }
  })
const getter = (name, result) => Object.defineProperty({}, name, { enumerable: true, get: spy(result) })
const traps = () => {
  const handler = {}
  for (const name of Object.getOwnPropertyNames(Reflect)) {
    handler[name] = new Proxy(Reflect[name], {
      apply(target, self, args) {
        heard.push(self, args)
        return Reflect.apply(target, self, args)
      }
    })
  }
  return new Proxy({ a: 1 }, handler)
}
const throws = () => {
  throw new Error("on purpose")
}
const calls = {
  toJSON: () => text({ toJSON: spy("x") }),
  "toJSON throws": () => text({ toJSON: spy(throws) }),
  getter: () => text(getter("x", 1)),
  "getter throws": () => store("k", getter("x", throws)),
  traps: () => text(traps()),
  "traps of a key": () => store(traps(), 1),
  "traps of an image": () => image(traps()),
  "traps of a block": () => content(traps()),
  "a key as text": () => store({ toString: spy("k") }, 1),
  "a key as a primitive": () => load({ [Symbol.toPrimitive]: spy("k") }),
  "a number": () => clearTimeout({ valueOf: spy(1) }),
  "a delay": () => setTimeout(() => {}, { valueOf: spy(1e6) }),
  iterator: () => content({ [Symbol.iterator]: spy({ next: spy({ done: true }), return: spy({}) }) }),
  "closed iterator": () => content({ [Symbol.iterator]: spy({ next: spy({ value: 1 }), return: spy({}) }) }),
  "a result's blocks": () => content(getter("content", [{ type: "text", text: "x" }])),
  "a result's iterator": () =>
    content({
      content: Object.defineProperty([], Symbol.iterator, { value: spy({ next: spy({ value: 1 }), return: spy({}) }) })
    }),
  "a result's revoked blocks": () => {
    const { proxy, revoke } = Proxy.revocable([], {})
    revoke()
    content({ content: proxy })
  },
  "an image's url": () => image(getter("image_url", "data:image/png;base64,AA")),
  "a tool's argument": () => tools.echo({ toJSON: spy(1) }),
  "a promise's constructor": () =>
    as_settled([Object.defineProperty(Promise.resolve(1), "constructor", { get: spy(Promise) })]),
  "a promise's species": () => {
    const promise = Promise.resolve(1)
    let asked = 0
    Object.defineProperty(promise, "constructor", {
      get: () => asked++ === 0 ? Promise : { [Symbol.species]: spy() }
    })
    return as_settled([promise])
  },
  thenable: () => as_settled([{ then: spy() }]),
  "promises to iterate": () => as_settled({ [Symbol.iterator]: spy({ next: spy({ done: true }) }) }),
  "options of a buffer": () => new ArrayBuffer(8, getter("maxByteLength", 16)),
  "length of a buffer": () => new ArrayBuffer({ valueOf: spy(8) }, { maxByteLength: { valueOf: spy(16) } }),
  "a buffer's target": () => Reflect.construct(ArrayBuffer, [8, { maxByteLength: 8 }], spy())
}
const seen = (name, values) => {
  kit.probeAll(name, heard)
  heard = []
  kit.probeAll(name, values)
}
for (const [name, call] of Object.entries(calls)) {
  try {
    seen(name, [call()])
  } catch (error) {
    seen(name, [error])
  }
  seen(name, kit.atEachDepth(1_000, call))
}
// What a helper is handed to others as.
for (const helper of [text, load, tools.echo, as_settled]) {
  for (const wrap of [(f) => f, (f) => f.bind(undefined)]) {
    await Promise.resolve("x").then(
      new Proxy(wrap(helper), {
        apply(target, self, args) {
          heard.push(self, args)
        }
      })
    )
  }
  try {
    Reflect.construct(Object, [], helper)
  } catch (error) {
    heard.push(error)
  }
  seen("handed on", [])
}
await new Promise((resolve) => {
  setTimeout(spy(() => resolve()), 0)
})
seen("a timer", [])
await stream_settled([1, Promise.reject(2)], spy())
seen("a settled promise", [])
for (const block of [Object, Error, Promise, Array]) {
  seen("spied on", [block])
}
kit.verdict()
