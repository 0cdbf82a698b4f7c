// Bound functions of bound functions.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
let f = () => {}
for (;;) f = f.bind(null, 1)
