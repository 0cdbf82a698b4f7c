// Tools that the script changes are changed for itself only.
// {"ends": ["ok"], "text": "^undefined$"}
delete tools.echo
tools.fail = 5
Object.freeze(tools)
text(typeof tools.echo)
