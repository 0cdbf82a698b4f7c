// Compiles one source of many megabytes.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
eval("a=" + "1+".repeat(5e6) + "1")
