// ALL_TOOLS is the cell's own copy.
// {"ends": ["ok"], "text": "^still$"}
ALL_TOOLS.length = 0
ALL_TOOLS.push({ name: "x" })
Object.defineProperty(ALL_TOOLS, "0", {
  get() {
    throw 1
  }
})
text(await tools.echo("still"))
