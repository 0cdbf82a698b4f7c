// Large output without end.
// {"ends": ["Terminated", "LimitExceeded"]}
for (;;) text("x".repeat(1e5))
