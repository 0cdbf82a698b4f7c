// Helpers called from within helpers.
// {"ends": ["ok"], "text": "survived$", "seconds": 10}
let depth = 0
const nested = {
  toJSON() {
    if (depth++ < 50) {
      text(nested)
      store("k", nested)
      tools.echo(nested)
    }
    return depth
  }
}
text(nested)
text("survived")
