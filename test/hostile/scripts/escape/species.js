// Symbol.species and constructor of what helpers take and give.
// {"ends": ["ok"], "text": "contained$"}
class Evil extends Promise {
  constructor(run) {
    super((...args) => {
      kit.probe("resolvers", args)
      run(...args)
    })
  }
  static get [Symbol.species]() {
    return Evil
  }
}
const call = tools.echo(1)
call.constructor = Evil
kit.probe("then", call.then((x) => x))
await call
for await (const one of as_settled([Evil.resolve(1), call])) kit.probe("one", one)
class A extends Array {
  static get [Symbol.species]() {
    return function(...args) {
      kit.probe("species", args)
      return []
    }
  }
}
content(A.of({ type: "text", text: "x" }))
kit.verdict()
