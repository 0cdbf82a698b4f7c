// Every helper is the script's.
// {"ends": ["ok"], "text": "contained$"}
const kept = { text, tools }
for (const name of Object.keys(globalThis)) {
  try {
    globalThis[name] = (...args) => kit.probe(name, args)
  } catch {}
}
kept.text(await kept.tools.echo(1))
kit.verdict()
