// An endless loop in a timer callback.
// {"ends": ["Terminated"]}
setTimeout(() => {
  for (;;);
})
await new Promise(() => {})
