// An overflow that nobody catches.
// {"ends": ["ScriptError"], "text": "call stack"}
const f = () => f()
f()
