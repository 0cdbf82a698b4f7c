// A key of ten megabytes.
// {"ends": ["ok", "ScriptError", "LimitExceeded"], "seconds": 10}
store("x".repeat(1e7), 1)
text(load("x".repeat(1e7)))
