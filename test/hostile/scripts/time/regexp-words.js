// Polynomial of a high degree.
// {"ends": ["ok", "Terminated"]}
text(/(.*a){30}/.test("a".repeat(60) + "b".repeat(60)))
