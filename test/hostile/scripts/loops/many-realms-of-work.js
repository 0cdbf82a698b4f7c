// Eight busy loops in one cell: promises do not make threads.
// {"ends": ["Terminated"]}
await Promise.all(Array.from({ length: 8 }, async () => {
  for (;;);
}))
