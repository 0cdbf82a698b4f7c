// Reduces 2^53 places.
// {"ends": ["Terminated"], "neighbour": "may be lost"}
Array.prototype.reduce.call({ length: 2 ** 53 - 1 }, () => 1, 1)
