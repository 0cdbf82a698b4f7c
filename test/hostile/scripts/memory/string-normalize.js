// Normalizes a string that grows in the process.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
const a = []
for (;;) a.push("\ufdfa".repeat(1e6).normalize("NFKD"))
