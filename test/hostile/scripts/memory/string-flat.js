// Flattens large strings.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const a = []
for (let i = 0;; i++) {
  const s = "x".repeat(1e6) + i
  s.charCodeAt(0)
  a.push(s)
}
