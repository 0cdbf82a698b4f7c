// Content blocks without end.
// {"ends": ["Terminated", "LimitExceeded"]}
content((function*() {
  for (;;) yield { type: "text", text: "x".repeat(1000) }
})())
