// A thrown error whose stack is a proxy with a throwing toString.
// {"ends": ["ScriptError"]}
throw Object.defineProperty(new Error("x"), "stack", {
  value: new Proxy({}, {
    get() {
      throw new Proxy({}, {
        get() {
          throw 1
        }
      })
    }
  })
})
