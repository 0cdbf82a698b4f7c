// Writes a number of many digits in decimal.
// {"ends": ["ok", "Terminated", "ScriptError", "LimitExceeded"], "neighbour": "may be lost"}
text(String(7n ** (2n ** 25n)).length)
