// A typed array of a billion elements from an array-like.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
Float64Array.from({ length: 2 ** 30 })
