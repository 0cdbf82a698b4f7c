// Closes a gap in 2^53 places.
// {"ends": ["Terminated"], "neighbour": "may be lost"}
Array.prototype.unshift.call({ length: 2 ** 53 - 2 }, 1)
