// Output without end.
// {"ends": ["Terminated", "LimitExceeded"]}
for (let i = 0;; i++) text(i)
