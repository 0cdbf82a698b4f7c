// An endless loop in evaluated code.
// {"ends": ["Terminated"]}
eval("for (;;);")
