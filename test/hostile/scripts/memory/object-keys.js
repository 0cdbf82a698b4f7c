// An object with a property for every number.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
const o = {}
for (let i = 0;; i++) o["k" + i] = i
