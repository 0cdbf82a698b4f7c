// The source of helpers shows nothing of the host.
// {"ends": ["ok"], "text": "^contained$"}
const F = Function.prototype.toString
for (const name of Object.keys(globalThis)) {
  const f = globalThis[name]
  if (typeof f === "function") {
    const source = F.call(f)
    if (/lane|flush|isolated|applySync|out\.push|JSON\.stringify/.test(source)) {
      kit.found(name + ": " + source.slice(0, 200))
    }
  }
}
for (const f of Object.values(tools)) if (!/native code/.test(F.call(f))) kit.found("a tool shows its source")
kit.verdict()
