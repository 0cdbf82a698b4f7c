// JSON with __proto__ in stored values and tool inputs.
// {"ends": ["ok"], "text": "^undefinedundefined$"}
const evil = JSON.parse("{\"__proto__\":{\"polluted\":1},\"constructor\":{\"prototype\":{\"polluted\":1}}}")
store("k", evil)
text(typeof load("k").polluted)
const back = await tools.echo(evil)
text(typeof back.polluted + typeof {}.polluted)
