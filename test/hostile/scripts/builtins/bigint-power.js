// A power whose digits fill the memory.
// {"ends": ["ok", "Terminated", "ScriptError", "LimitExceeded"], "neighbour": "may be lost"}
2n ** (2n ** 29n)
text("done")
