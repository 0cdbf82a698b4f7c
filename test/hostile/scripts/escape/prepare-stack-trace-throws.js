// A hostile prepareStackTrace while helpers fail.
// {"ends": ["ok"], "text": "^contained$"}
Error.prepareStackTrace = () => {
  throw {
    get stack() {
      throw 1
    }
  }
}
try {
  text({ a: 1n })
} catch (e) {
  kit.probe("thrown", e)
}
Error.prepareStackTrace = new Proxy(() => {}, {
  apply() {
    for (const f of arguments) kit.probe("apply", f)
    return 1
  }
})
try {
  text({ a: 1n })
} catch (e) {
  kit.probe("thrown", e)
}
kit.verdict()
