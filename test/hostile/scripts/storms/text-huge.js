// Very large output without end.
// {"ends": ["Terminated", "LimitExceeded"], "neighbour": "may be lost"}
for (;;) text("x".repeat(2e7))
