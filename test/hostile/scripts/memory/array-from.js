// A billion elements by Array.from.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
Array.from({ length: 1e9 })
