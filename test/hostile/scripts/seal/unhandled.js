// A rejection that nothing handles is read by the engine itself. What it hands to the getters leads nowhere.
// {"ends": ["ok"], "text": "contained$", "seconds": 20}
const heard = []
const tried = []
const getter = new Proxy(function() {}, {
  apply(target, self, args) {
    heard.push(args)
    for (const way of [() => args.constructor, () => args.map, () => args.__proto__.constructor, () => args.valueOf]) {
      try {
        tried.push(way())
      } catch {}
    }
    return "x"
  }
})
for (const name of ["message", "stack", "name"]) {
  Promise.reject(Object.defineProperty({}, name, { get: getter }))
  await new Promise((resolve) => setTimeout(resolve, 1))
}
if (heard.length === 0) kit.found("the engine reads errors in another way now")
for (const args of heard) {
  for (let value = args; value !== null; value = Object.getPrototypeOf(value)) {
    if (value === Object.prototype) break
    const isEmpty = Reflect.ownKeys(value).every((key) => key === "length") && Object.isFrozen(value)
    if (value !== args && !isEmpty) kit.found("a prototype of another realm that is not empty")
    if (value === args && Reflect.ownKeys(value).join() !== "length") kit.found("arguments that have something")
  }
}
if (tried.some((value) => value !== undefined)) kit.found("something of another realm")
kit.verdict()
