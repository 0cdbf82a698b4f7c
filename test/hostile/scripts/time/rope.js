// Flattens a very deep rope.
// {"ends": ["ok", "LimitExceeded"], "seconds": 10}
let s = ""
for (let i = 0; i < 1e6; i++) s = i % 2 ? "a" + s : s + "a"
text(s.charCodeAt(5e5))
