// Stores without end.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
for (let i = 0;; i++) store("k" + i, "x".repeat(1e6))
