// Looks through 2^53 places from the end.
// {"ends": ["Terminated"], "neighbour": "may be lost"}
Array.prototype.lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)
