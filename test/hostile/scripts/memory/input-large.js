// One tool input of 300 MB.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
await tools.echo("x".repeat(3e8))
