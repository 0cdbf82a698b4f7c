// exit from a hundred promises.
// {"ends": ["ok"]}
await Promise.all(Array.from({ length: 100 }, async () => exit()))
