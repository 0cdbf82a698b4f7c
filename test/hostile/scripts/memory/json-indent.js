// Indents deep values by ten spaces.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20, "neighbour": "may be lost"}
let o = 1
for (let i = 0; i < 2000; i++) o = [o, o === 1 ? 1 : 2]
const a = []
for (;;) a.push(JSON.stringify(o, null, 10))
