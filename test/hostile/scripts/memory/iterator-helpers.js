// A chain of iterator helpers.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
let i = Iterator.from([1])
for (;;) i = i.map((x) => x)
