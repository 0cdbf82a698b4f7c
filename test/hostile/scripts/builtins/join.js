// Joins 4 billion holes.
// {"ends": ["ok", "Terminated", "ScriptError", "LimitExceeded"], "neighbour": "may be lost"}
new Array(2 ** 32 - 1).join("")
