// A stored value named __proto__ is a stored value.
// {"ends": ["ok"], "text": "^undefined$"}
store("__proto__", { polluted: 1 })
text(load("__proto__").polluted)
text(typeof {}.polluted)
