// The constructor of every promise is the script's.
// {"ends": ["ok"], "text": "^contained$"}
Promise.prototype.constructor = function(run) {
  run((...args) => kit.probe("resolve", args), (...args) => kit.probe("reject", args))
  return {}
}
Promise.prototype.constructor[Symbol.species] = Promise.prototype.constructor
const call = tools.echo(1)
kit.probe("call", call)
await call
for await (const one of as_settled([call, 1])) kit.probe("one", one)
kit.verdict()
