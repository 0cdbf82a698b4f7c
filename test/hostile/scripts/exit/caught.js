// exit cannot be caught.
// {"ends": ["ok"]}
try {
  exit()
} catch {
  text("ESCAPED: caught")
} finally {
  text("ESCAPED: finally")
}
