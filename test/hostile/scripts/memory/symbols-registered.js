// Registered symbols without end.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
for (let i = 0;; i++) Symbol.for("k" + i)
