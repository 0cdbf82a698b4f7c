// Suspended generators.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const a = []
for (;;) {
  const g = (function*() {
    yield new Array(10)
  })()
  g.next()
  a.push(g)
}
