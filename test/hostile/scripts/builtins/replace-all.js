// A replacement that grows past every limit.
// {"ends": ["ok", "ScriptError", "LimitExceeded", "Terminated"], "neighbour": "may be lost"}
text("a".repeat(2 ** 20).replaceAll("a", "b".repeat(2 ** 10)).length)
