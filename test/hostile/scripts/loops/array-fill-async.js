// The same in an async function.
// {"ends": ["Terminated"]}
let o
await (async () => {
  for (;;) o = new Array(100)
})()
text(o)
