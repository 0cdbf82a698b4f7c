// An endless loop in a function made from text.
// {"ends": ["Terminated"]}
new Function("for (;;);")()
