// A loop whose interrupt check V8 drops when it unrolls an inlined array fill.
// {"ends": ["Terminated"]}
let o
for (;;) o = new Array(100)
text(o)
