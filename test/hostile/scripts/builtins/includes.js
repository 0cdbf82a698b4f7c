// Looks through 2^53 places.
// {"ends": ["Terminated"], "neighbour": "may be lost"}
Array.prototype.includes.call({ length: 2 ** 53 - 1 }, 1)
