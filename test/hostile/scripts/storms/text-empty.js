// Empty output without end.
// {"ends": ["Terminated", "LimitExceeded"]}
for (;;) text("")
