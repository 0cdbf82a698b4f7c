// Walks over everything that helpers throw.
// {"ends": ["ok", "ScriptError"], "text": "contained$", "seconds": 20}
const bad = [
  undefined,
  null,
  Symbol(),
  1n,
  () => {},
  {},
  { a: 1n },
  new Proxy({}, {
    get() {
      throw 1
    }
  }),
  "",
  "x",
  NaN
]
const cyclic = {}
cyclic.cyclic = cyclic
bad.push(cyclic)
for (const name of Object.keys(globalThis)) {
  if (name === "exit" || name === "globalThis") continue
  const f = globalThis[name]
  for (const a of bad) {
    for (const b of bad) {
      try {
        if (typeof f === "function") kit.probe(name + "()", f(a, b))
      } catch (e) {
        kit.probe(name + " threw", e)
      }
    }
  }
}
for (const name of Object.keys(tools)) {
  for (const a of bad) {
    try {
      const p = tools[name](a)
      kit.probe(name, p)
      p.catch(() => {})
    } catch (e) {
      kit.probe(name + " threw", e)
    }
  }
}
kit.verdict()
