// Locale-aware builtins on strings of 100 MB.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
const a = []
for (;;) a.push("i".repeat(1e8).toLocaleUpperCase("tr"))
