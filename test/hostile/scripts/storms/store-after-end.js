// Stores and puts out from microtasks after the program has ended.
// {"ends": ["ok", "Terminated", "LimitExceeded"]}
const f = () =>
  Promise.resolve().then(() => {
    store("k", 1)
    text("x")
    f()
  })
f()
