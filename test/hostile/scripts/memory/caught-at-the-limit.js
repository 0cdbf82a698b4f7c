// Catches what it can near the limit and goes on.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const a = []
for (;;) {
  try {
    a.push(new Array(1e5).fill(1.5))
  } catch {
    a.push(1)
  }
}
