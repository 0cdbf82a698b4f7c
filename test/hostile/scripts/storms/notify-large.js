// Large notifications without end.
// {"ends": ["Terminated", "LimitExceeded"]}
for (;;) notify("x".repeat(1e5))
