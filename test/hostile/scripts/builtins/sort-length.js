// Sorts an array-like of 2^32 places.
// {"ends": ["Terminated", "ScriptError", "LimitExceeded"], "neighbour": "may be lost"}
Array.prototype.sort.call({ length: 2 ** 32 - 1 })
