// Exponential within replaceAll.
// {"ends": ["Terminated"]}
"a".repeat(40).replaceAll(/(?=(a+)+b)/g, "")
