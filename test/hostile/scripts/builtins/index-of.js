// A builtin that V8 does not interrupt, over 2^53 places.
// {"ends": ["Terminated"], "neighbour": "may be lost"}
Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)
