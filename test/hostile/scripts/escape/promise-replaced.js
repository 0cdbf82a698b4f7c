// Every method of Promise is the script's.
// {"ends": ["ok"], "text": "^contained$"}
for (const key of Object.getOwnPropertyNames(Promise)) {
  try {
    Promise[key] = function(...args) {
      kit.probe(key + " this", this)
      kit.probe(key, args)
      return { promise: 1, resolve() {}, reject() {} }
    }
  } catch {}
}
const then = Promise.prototype.then
Promise.prototype.then = function(...args) {
  kit.probe("then", args)
  return then.apply(this, args)
}
kit.probe("result", await tools.echo({ a: 1 }))
for await (const one of as_settled([tools.echo(1), 2])) kit.probe("one", one)
await stream_settled([1], () => {})
await new Promise((resolve) => setTimeout(resolve))
kit.verdict()
