// Keeps the matches of a large text.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const a = []
for (;;) a.push([..."ab".repeat(1e5).matchAll(/(a)(b)/g)])
