// Timers do not outlive exit.
// {"ends": ["ok", "Terminated"]}
await new Promise((resolve) =>
  setTimeout(() => {
    setTimeout(() => text("ESCAPED: timer"))
    exit()
    resolve()
  })
)
text("ESCAPED: after exit")
