// tools has a tool named then, and is awaited.
// {"ends": ["ok", "ScriptError", "Terminated"]}
const value = await Promise.race([tools, tools.echo("raced")])
text(typeof value)
