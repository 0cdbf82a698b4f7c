// Keeps large tool results.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const a = []
for (;;) a.push(await tools.echo("x".repeat(1e5)))
