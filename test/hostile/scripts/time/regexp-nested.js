// The classic exponential expression.
// {"ends": ["Terminated"]}
text(/^(a+)+$/.test("a".repeat(40) + "b"))
