// Large tool calls without end that are never answered.
// {"ends": ["ScriptError"], "text": "carry too much input", "seconds": 20}
for (;;) tools.hold("x".repeat(1e6))
