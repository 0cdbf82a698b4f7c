// An expression that fills the backtrack stack.
// {"ends": ["ok", "ScriptError", "LimitExceeded", "IsolateLost", "Terminated"], "seconds": 5, "neighbour": "may be lost"}
const s = "a".repeat(5e7)
text(/(?:a|b)*?c/.test(s), /((a)|(b))*c/.test(s))
