// Exponential in a lookbehind.
// {"ends": ["ok", "Terminated"]}
text(/(?<=^(a+)+)b$/.test("a".repeat(40) + "c" + "b"))
