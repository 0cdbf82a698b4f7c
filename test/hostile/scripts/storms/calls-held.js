// Tool calls without end that are never answered.
// {"ends": ["Terminated", "LimitExceeded", "ScriptError"]}
for (let i = 0;; i++) tools.hold(i)
