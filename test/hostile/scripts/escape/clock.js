// What tells the time or gives random numbers, with arguments and receivers that look around.
// {"ends": ["ok"], "text": "contained$", "seconds": 5}
const spy = () => ({
  valueOf: function() {
    kit.probe("valueOf", [this, new Error("here")])
    return 1
  },
  [Symbol.toPrimitive]: function(...args) {
    kit.probe("toPrimitive", [this, args])
    return 1
  },
  toString: () => {
    throw new Error("thrown")
  }
})
class Later extends Date {
  constructor(...args) {
    super(...args)
    kit.probe("made", [this, args, new.target])
  }
}
const format = new Intl.DateTimeFormat("en")
const getFormat = Object.getOwnPropertyDescriptor(Intl.DateTimeFormat.prototype, "format").get
const all = [
  Math.random,
  Date,
  Date.now,
  Later,
  Intl.DateTimeFormat.prototype.formatToParts,
  getFormat,
  format.format,
  ...globalThis.Temporal === undefined ? [] : Object.getOwnPropertyNames(Temporal.Now).map((name) => Temporal.Now[name])
]
const everything = [undefined, null, 1n, Symbol(), spy(), format, new Proxy({}, {}), new Proxy(() => {}, {})]
for (const one of all) {
  kit.probe("function", one)
  for (const argument of everything) {
    for (
      const attempt of [
        () => one(argument),
        () => Reflect.apply(one, argument, [argument]),
        () => new one(argument),
        () => Reflect.construct(one, [argument], Later),
        () => Reflect.construct(Later, [argument], one),
        () => one.toString.call(argument),
        () => Reflect.ownKeys(one).map((key) => Object.getOwnPropertyDescriptor(one, key))
      ]
    ) {
      try {
        kit.probe("given", attempt())
      } catch (error) {
        kit.probe("thrown", error)
      }
    }
  }
}
// At the end of the stack, and a few steps before it.
let levels = 100
const deep = () => {
  try {
    deep()
  } catch {}
  if (levels-- < 0) {
    return
  }
  for (const one of all) {
    try {
      new one()
    } catch (error) {
      kit.probe("deep", error)
    }
  }
}
deep()
kit.verdict()
