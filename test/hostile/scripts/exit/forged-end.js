// Looks for the names by which the module reaches its end.
// {"ends": ["ok", "ScriptError", "Terminated"], "seconds": 10}
for (let i = 0; i < 2 ** 16; i++) {
  const name = "$" + i.toString(16).padStart(5, "0")
  try {
    const f = eval(name)
    if (typeof f === "function") f({ stack: "forged" })
  } catch {}
}
text("searched")
