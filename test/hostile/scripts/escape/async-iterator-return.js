// Leaves the iterators of helpers early, and throws into them.
// {"ends": ["ok"], "text": "^contained$"}
const all = as_settled([1, 2])
kit.probe("next", await all.next())
kit.probe(
  "return",
  await all.return({
    then: (...args) => {
      kit.probe("then", args)
      args[0](1)
    }
  })
)
const other = as_settled([tools.hold()])
kit.probe("throw", await other.throw(new Error("x")).catch((e) => e))
kit.probe("prototype", Object.getPrototypeOf(Object.getPrototypeOf(all)))
kit.verdict()
