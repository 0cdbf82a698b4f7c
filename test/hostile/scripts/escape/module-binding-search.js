// Finds the random names by trying them all and looks at what they are.
// {"ends": ["ok", "Terminated"], "seconds": 8}
for (let i = 0; i < 2 ** 20; i += 1) {
  const name = "$" + i.toString(16).padStart(5, "0")
  let value
  try {
    value = eval(name)
  } catch {
    continue
  }
  kit.probe(name, value)
}
kit.verdict()
