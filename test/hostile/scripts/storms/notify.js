// Notifications without end.
// {"ends": ["Terminated", "LimitExceeded"]}
for (let i = 0;; i++) notify(i)
