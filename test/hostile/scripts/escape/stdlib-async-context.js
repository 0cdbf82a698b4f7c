// Async iteration of the host's promises with a poisoned prototype.
// {"ends": ["ok"], "text": "^contained$"}
Object.prototype.then = function(resolve) {
  kit.probe("then this", this)
  delete Object.prototype.then
  resolve(1)
}
kit.probe("result", await tools.echo({ a: 1 }))
kit.verdict()
