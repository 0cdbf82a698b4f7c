// A tool input too deep for a stack.
// {"ends": ["ok"], "text": "^(object|refused|RangeError)$", "seconds": 10}
let deep = 1
for (let i = 0; i < 1e6; i++) deep = [deep]
try {
  text(typeof await tools.echo(deep))
} catch (e) {
  text(typeof e === "string" ? "refused" : e.name)
}
