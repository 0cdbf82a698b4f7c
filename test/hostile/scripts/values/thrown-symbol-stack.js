// A stack of the wrong kind.
// {"ends": ["ScriptError"]}
throw { stack: Symbol("x"), toString: () => Symbol("y") }
