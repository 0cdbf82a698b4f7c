// A Set without end.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
const s = new Set()
for (let i = 0;; i++) s.add(i)
