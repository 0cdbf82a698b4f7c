// An error text that is not well formed.
// {"ends": ["ScriptError"]}
throw "\ud800 and \n[exec_main.mjs:1:1]"
