// Backreferences in nested repetitions.
// {"ends": ["ok", "Terminated"]}
text(/^(a*)*\1*\1*\1*c$/.test("a".repeat(40)))
