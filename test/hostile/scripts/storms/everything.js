// Every helper in turn without end.
// {"ends": ["Terminated", "LimitExceeded", "ScriptError"]}
for (let i = 0;; i++) {
  text(i)
  notify(i)
  store("k" + i % 100, i)
  tools.echo(i)
  setTimeout(() => {})
  yield_control()
}
