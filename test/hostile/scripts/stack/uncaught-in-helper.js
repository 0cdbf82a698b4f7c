// An overflow within a helper that nobody catches.
// {"ends": ["ScriptError"], "text": "call stack", "seconds": 10}
const o = {
  toJSON: () => {
    text(o)
  }
}
text(o)
