// import() of an object with a hostile conversion.
// {"ends": ["ok"], "text": "^contained$"}
try {
  await import({
    toString() {
      kit.probe("this", this)
      return "fs"
    }
  })
  kit.found("imported")
} catch (e) {
  kit.probe("thrown", e)
}
kit.verdict()
