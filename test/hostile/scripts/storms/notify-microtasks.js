// Notifications from microtasks without end.
// {"ends": ["Terminated", "LimitExceeded"]}
for (;;) {
  notify("x")
  await 0
}
