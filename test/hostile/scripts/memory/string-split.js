// Splits a large string into letters.
// {"ends": ["ok", "LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
text("x".repeat(2 ** 27).split("").length)
