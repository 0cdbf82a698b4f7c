// Squares a number until it can be stopped no more.
// {"ends": ["Terminated", "ScriptError", "LimitExceeded"], "neighbour": "may be lost"}
let x = 3n
for (;;) x *= x
