// Helpers do nothing once exit was called.
// {"ends": ["ok"]}
const kept = { text, notify, store }
try {
  exit()
} finally {
  kept.text("ESCAPED: text")
  kept.notify("ESCAPED: notify")
  kept.store("k", "ESCAPED: store")
  tools.echo("ESCAPED: call")
}
