// The oldest way out: the constructor of a constructor of what the host gave.
// {"ends": ["ok"], "text": "^contained$"}
for (const value of [text, exit, setTimeout, tools.echo, tools, ALL_TOOLS, as_settled, tools.hold(), load]) {
  for (
    const path of [
      "constructor.constructor",
      "__proto__.constructor.constructor",
      "__proto__.__proto__.constructor.constructor"
    ]
  ) {
    const f = path.split(".").reduce((o, key) => o?.[key], value)
    if (typeof f === "function") {
      try {
        const g = f("return typeof process + typeof require + typeof globalThis.WebAssembly + (this === globalThis)")()
        if (!/^(undefined){3}/.test(g)) kit.found(path + " " + g)
        if (f("return this")() !== globalThis) kit.found(path + ": another global object")
      } catch (e) {
        kit.probe("thrown", e)
      }
    }
  }
}
kit.verdict()
