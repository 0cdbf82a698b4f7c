// Throws a string of 400 MB.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
throw "x".repeat(4e8)
