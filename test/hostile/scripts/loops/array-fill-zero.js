// The same with an explicit fill.
// {"ends": ["Terminated"]}
let o
for (;;) o = new Array(100).fill(0)
text(o)
