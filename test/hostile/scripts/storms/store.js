// Overwrites one key without end.
// {"ends": ["Terminated"]}
for (let i = 0;; i++) store("k", i)
