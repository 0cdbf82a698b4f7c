// A comparator that changes the array.
// {"ends": ["ok"], "text": "^done$", "seconds": 10}
const a = Array.from({ length: 1e5 }, (_, i) => i)
a.sort((x, y) => {
  a.length = 0
  a.push(x)
  return y - x
})
text("done")
