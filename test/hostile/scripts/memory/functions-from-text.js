// Compiles distinct functions.
// {"ends": ["LimitExceeded", "ScriptError", "Terminated"], "seconds": 3}
const a = []
for (let i = 0;; i++) a.push(new Function("return " + "1+".repeat(1000) + i)())
