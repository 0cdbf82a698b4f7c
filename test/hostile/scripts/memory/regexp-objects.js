// Very many compiled expressions.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
const a = []
for (let i = 0;; i++) {
  const r = new RegExp("(a|b|c){1,50}" + i)
  r.test("abcabc" + i)
  a.push(r)
}
