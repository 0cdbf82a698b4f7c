// A stored value as deep as V8 writes JSON.
// {"ends": ["ok"], "text": "^(object|refused)$", "seconds": 10}
let deep = 1
for (let i = 0; i < 3000; i++) deep = [deep]
try {
  store("deep", deep)
  text(typeof load("deep"))
} catch (e) {
  text("refused")
}
