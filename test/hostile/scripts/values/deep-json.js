// A tool input that is as deep as V8 writes JSON.
// {"ends": ["ok"], "text": "^(object|refused)$", "seconds": 10}
let deep = 1
let good = 0
for (let i = 0; i < 3000; i++) deep = [deep]
try {
  text(typeof await tools.echo(deep))
} catch (e) {
  text("refused")
}
