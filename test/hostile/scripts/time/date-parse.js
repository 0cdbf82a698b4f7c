// Parses a long nonsense date.
// {"ends": ["ok", "Terminated"]}
text(String(Date.parse("1".repeat(1e7))))
