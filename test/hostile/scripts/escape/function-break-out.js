// Text that breaks out of the wrapper of the Function constructor or of the module.
// {"ends": ["ok"], "text": "^contained$"}
for (const text of ["*/){", "}) , (() => {", "} catch (e) { throw e } finally {", "})();process.exit();(()=>{"]) {
  for (const f of [() => Function(text), () => Function("a", text), () => Function(text, ""), () => eval(text)]) {
    try {
      kit.probe("made", f())
    } catch (e) {
      if (!(e instanceof SyntaxError)) kit.probe("thrown", e)
    }
  }
}
kit.verdict()
