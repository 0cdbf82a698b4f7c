// A list without end.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
let o = {}
for (;;) o = { o }
