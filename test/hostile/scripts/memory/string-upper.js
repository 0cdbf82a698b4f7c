// One builtin that makes a string of half a gigabyte.
// {"ends": ["ok", "LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
text("x".repeat(2 ** 29 - 24).toUpperCase().length)
