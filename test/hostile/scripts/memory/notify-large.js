// One notification of 300 MB.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
notify("x".repeat(3e8))
