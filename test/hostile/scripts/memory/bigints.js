// Large numbers without end.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const a = []
for (let i = 0;; i++) a.push((1n << 100000n) + BigInt(i))
