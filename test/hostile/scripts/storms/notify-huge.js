// Notifications of a megabyte without end.
// {"ends": ["Terminated", "LimitExceeded"]}
for (;;) notify("x".repeat(1e6))
