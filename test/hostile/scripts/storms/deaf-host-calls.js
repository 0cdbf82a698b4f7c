// Says much to a host that does not listen.
// {"ends": ["Terminated", "LimitExceeded", "ScriptError"], "seconds": 2, "deafSeconds": 1.5, "residentMebibytes": 250}
for (let i = 0;; i++) tools.echo("x".repeat(1e5)).catch(() => {})
