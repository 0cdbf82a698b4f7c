// The same with a closure that keeps the array.
// {"ends": ["Terminated"]}
let q
for (;;) {
  const b = new Array(100)
  q = () => b
}
text(q)
