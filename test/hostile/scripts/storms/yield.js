// Yields without end.
// {"ends": ["Terminated"]}
for (;;) yield_control()
