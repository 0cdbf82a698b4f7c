// Parses a deep value that is well formed.
// {"ends": ["ok", "LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
const n = 2e6
JSON.parse("[".repeat(n) + "]".repeat(n))
