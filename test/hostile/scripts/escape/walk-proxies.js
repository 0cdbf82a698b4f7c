// Walks over everything that the traps of a proxy are given.
// {"ends": ["ok"], "text": "contained$", "seconds": 20}
const traps = {}
for (const name of Object.getOwnPropertyNames(Reflect)) {
  traps[name] = (...args) => {
    for (let i = 1; i < args.length; i++) kit.probe(name, args[i])
    return Reflect[name](...args)
  }
}
const proxy = (target) => new Proxy(target, traps)
for (
  const f of [
    text,
    image,
    audio,
    generatedImage,
    content,
    notify,
    tools.echo,
    as_settled,
    setTimeout,
    clearTimeout,
    load
  ]
) {
  for (const target of [{ a: 1 }, [1], () => 1, { type: "image", data: "AA" }, new Map([[1, 2]])]) {
    try {
      const result = f(proxy(target), proxy(target))
      kit.probe("result", result)
      result?.catch?.(() => {})
    } catch (e) {
      kit.probe("thrown", e)
    }
  }
}
kit.verdict()
