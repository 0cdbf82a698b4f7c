// An endless loop in a JSON reviver.
// {"ends": ["Terminated"]}
JSON.parse("[1]", () => {
  for (;;);
})
