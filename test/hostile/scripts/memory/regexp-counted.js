// An expression whose program is huge.
// {"ends": ["ok", "ScriptError", "LimitExceeded", "IsolateLost", "Terminated"], "seconds": 5, "neighbour": "may be lost"}
new RegExp("(?:(?:(?:a{1000}){1000}){1000}){1000}").test("a")
