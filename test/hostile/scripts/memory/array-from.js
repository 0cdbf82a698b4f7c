// A billion elements by Array.from.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20, "neighbour": "may be lost"}
Array.from({ length: 1e9 })
