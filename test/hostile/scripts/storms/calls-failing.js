// Failing tool calls without end.
// {"ends": ["Terminated", "LimitExceeded", "ScriptError"]}
for (;;) tools.fail().catch(() => {})
