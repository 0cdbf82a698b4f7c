// import() finds nothing, by any specifier.
// {"ends": ["ok"], "text": "^contained$"}
const specifiers = [
  "fs",
  "node:fs",
  "bridge",
  "exec_main.mjs",
  "./exec_main.mjs",
  "file:///etc/passwd",
  "data:text/javascript,export default 1",
  "isolated-vm",
  "",
  "http://localhost/"
]
for (const s of specifiers) {
  try {
    kit.found("import of " + s + " gave " + Object.keys(await import(s)))
  } catch (e) {
    kit.probe("thrown", e)
  }
}
for (
  const f of [
    (s) => eval("import(" + JSON.stringify(s) + ")"),
    (s) => new Function("s", "return import(s)")(s),
    (s) => (0, eval)("(s) => import(s)")(s)
  ]
) {
  for (const s of specifiers) {
    try {
      kit.found("import of " + s + " gave " + Object.keys(await f(s)))
    } catch (e) {
      kit.probe("thrown", e)
    }
  }
}
kit.verdict()
