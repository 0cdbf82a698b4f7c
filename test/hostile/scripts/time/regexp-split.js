// Exponential within split.
// {"ends": ["Terminated"]}
;("a".repeat(40) + "b").split(/(?:a+)+c/)
