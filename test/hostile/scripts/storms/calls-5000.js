// Five thousand tool calls at once are all answered.
// {"ends": ["ok"], "text": "^12497500$", "seconds": 20}
const all = await Promise.all(Array.from({ length: 5000 }, (_, i) => tools.echo(i)))
text(all.reduce((a, b) => a + b))
