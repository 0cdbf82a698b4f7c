// Puts out a string of 400 MB.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
text("x".repeat(4e8))
