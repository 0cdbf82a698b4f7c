// A deep value that is well formed, there and back.
// {"ends": ["ok"], "text": "^(RangeError|200001)$", "seconds": 10}
let s = "1"
for (let i = 0; i < 1e5; i++) s = "[" + s + "]"
try {
  text(JSON.stringify(JSON.parse(s)).length)
} catch (e) {
  text(e.name)
}
