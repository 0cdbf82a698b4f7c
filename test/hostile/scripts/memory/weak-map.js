// A WeakMap whose keys are kept.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
const m = new WeakMap()
const keys = []
for (let i = 0;; i++) {
  const k = { i }
  keys.push(k)
  m.set(k, { i })
}
