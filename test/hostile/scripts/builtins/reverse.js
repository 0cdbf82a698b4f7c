// Reverses 2^53 places.
// {"ends": ["Terminated"], "neighbour": "may be lost"}
Array.prototype.reverse.call({ length: 2 ** 53 - 1 })
