// A function with a hundred thousand statements.
// {"ends": ["ok", "Terminated"]}
text(String(new Function("let x = 0;" + "x += 1;".repeat(1e5) + "return x")()))
