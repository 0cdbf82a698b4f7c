// Looks for the bindings by which the module is driven.
// {"ends": ["ok"], "text": "^contained$"}
for (
  const name of [
    "begin",
    "end",
    "fail",
    "dynamicImport",
    "program",
    "bridge",
    "e",
    "cell",
    "lane",
    "out",
    "controls",
    "listener",
    "prepared",
    "isolate",
    "context",
    "ivm"
  ]
) {
  try {
    if (name !== "e") {
      eval(name)
      kit.found(name)
    }
  } catch {}
}
kit.verdict()
