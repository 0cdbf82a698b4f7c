// Consumes an endless async generator.
// {"ends": ["Terminated"]}
for await (
  const x of (async function*() {
    for (;;) yield 1
  })()
) x
