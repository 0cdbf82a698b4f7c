// Async frames across helpers.
// {"ends": ["ok"], "text": "^contained$"}
async function deep(n) {
  if (n > 0) return deep(n - 1)
  for await (const one of as_settled([tools.fail()])) {
    throw new Error(one.reason)
  }
}
try {
  await deep(5)
} catch (e) {
  kit.probe("error", e)
  if (/isolated|prelude|lane|node:|file:/.test(e.stack)) kit.found(e.stack)
}
kit.verdict()
