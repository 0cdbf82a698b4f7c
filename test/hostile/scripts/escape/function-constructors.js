// All four function constructors make functions of this realm.
// {"ends": ["ok"], "text": "^contained$"}
const constructors = [
  Function,
  (async () => {}).constructor,
  (function*() {}).constructor,
  (async function*() {}).constructor
]
for (const F of constructors) {
  const f = F("return typeof process + typeof require")
  kit.probe("made", f)
  const r = await f()
  const value = typeof r === "string" ? r : (await r?.next?.())?.value
  if (value !== "undefinedundefined") kit.found(String(value))
}
kit.verdict()
