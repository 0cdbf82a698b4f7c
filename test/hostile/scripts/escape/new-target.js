// Asks every callable for its realm by constructing with it.
// {"ends": ["ok"], "text": "^contained$", "seconds": 20}
for (const name of Object.keys(globalThis)) {
  const f = globalThis[name]
  if (typeof f !== "function") continue
  for (const Base of [Object, Error, Array, Function, Promise, Map]) {
    try {
      const made = Reflect.construct(
        Base,
        [() => {}].slice(0, Base === Promise || Base === Function ? 1 : 0),
        new Proxy(f, { get: (t, key) => key === "prototype" ? undefined : t[key] })
      )
      kit.probe(name + " as new.target", made)
    } catch {}
  }
}
for (const f of Object.values(tools)) {
  try {
    kit.probe("tool as new.target", Reflect.construct(Error, [], f))
  } catch {}
  try {
    kit.probe("new tool", new f())
  } catch (e) {
    kit.probe("thrown", e)
  }
}
kit.verdict()
