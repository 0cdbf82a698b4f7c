// A billion elements in one builtin.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20, "neighbour": "may be lost"}
new Array(1e9).fill(0)
