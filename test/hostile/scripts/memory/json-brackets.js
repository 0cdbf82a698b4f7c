// Parses ten million brackets.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
JSON.parse("[".repeat(1e7))
