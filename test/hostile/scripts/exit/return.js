// return is no way out of a module.
// {"ends": ["ScriptError"], "text": "Illegal return"}
eval("return 1")
