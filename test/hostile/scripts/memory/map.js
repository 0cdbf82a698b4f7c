// A Map without end.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
const m = new Map()
for (let i = 0;; i++) m.set(i, i)
