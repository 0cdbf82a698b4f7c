// Unites sets.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
let s = new Set([1])
for (let i = 1;; i *= 2) s = s.union(new Set(Array.from(s, (x) => x + i)))
