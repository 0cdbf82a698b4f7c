// Output from microtasks without end.
// {"ends": ["Terminated", "LimitExceeded"]}
for (;;) {
  text("x")
  await 0
}
