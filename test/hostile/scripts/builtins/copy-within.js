// Moves 2^53 places.
// {"ends": ["Terminated"], "neighbour": "may be lost"}
Array.prototype.copyWithin.call({ length: 2 ** 53 - 1 }, 0, 1)
