// Ten thousand outputs all arrive.
// {"ends": ["ok"], "text": "^9999$", "seconds": 20}
for (let i = 0; i < 1e4; i++) text(i)
