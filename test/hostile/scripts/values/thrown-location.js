// A thrown text that names places in other files.
// {"ends": ["ScriptError"]}
const e = new Error("x")
e.stack = "Error: x\n    at /etc/passwd:1:1\n    at exec_main.mjs:999999999999999999999999:1"
throw e
