// Percent-encodes what is large already.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const a = []
for (;;) a.push(encodeURIComponent("\u{1F600}".repeat(1e6)))
