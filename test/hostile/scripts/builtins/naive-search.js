// A search that compares everything with everything.
// {"ends": ["ok", "Terminated"], "neighbour": "may be lost"}
const a = "a".repeat(5e6)
text(a.indexOf("a".repeat(25e5) + "b"))
