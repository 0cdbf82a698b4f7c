// Large tool calls without end.
// {"ends": ["Terminated", "LimitExceeded", "ScriptError"]}
for (;;) tools.echo("x".repeat(1e6)).catch(() => {})
