// A hundred thousand keys.
// {"ends": ["ok", "LimitExceeded"], "seconds": 20}
for (let i = 0; i < 1e5; i++) store("k" + i, i)
text(load("k99999"))
