// Exponential by overlapping alternatives.
// {"ends": ["Terminated"]}
text(/^(a|a)*$/.test("a".repeat(50) + "b"))
