// Tool calls without end that nobody waits for.
// {"ends": ["Terminated", "LimitExceeded", "ScriptError"]}
for (let i = 0;; i++) tools.echo(i)
