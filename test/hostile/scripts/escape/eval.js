// Direct and indirect eval see the cell's own realm.
// {"ends": ["ok"], "text": "^contained$", "seconds": 20}
for (const e of [eval, (0, eval)]) {
  for (
    const code of [
      "this",
      "globalThis",
      "new Function('return this')()",
      "(function() { return this })()",
      "new.target"
    ]
  ) {
    try {
      kit.probe(code, e(code))
    } catch (error) {
      kit.probe("thrown", error)
    }
  }
}
kit.verdict()
