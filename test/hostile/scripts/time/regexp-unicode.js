// Exponential with Unicode sets and no case.
// {"ends": ["Terminated"]}
text(/^([\p{L}--[b]]+)+$/iv.test("a".repeat(40) + "1"))
