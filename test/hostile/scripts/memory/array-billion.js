// A billion elements in one builtin.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
new Array(1e9).fill(0)
