// Consumes an endless generator.
// {"ends": ["Terminated"]}
for (
  const x of (function*() {
    for (;;) yield 1
  })()
) x
