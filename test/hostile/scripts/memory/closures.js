// Closures without end.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const a = []
for (let i = 0;; i++) {
  const k = i
  a.push(() => k)
}
