// Calls helpers when there is next to no memory left.
// {"ends": ["ok", "LimitExceeded", "IsolateLost"], "text": "contained$|limit|broke", "seconds": 60, "neighbour": "may be lost"}
const kept = []
const calls = [
  () => text("x"),
  () => text({ a: 1 }),
  () => image("zz"),
  () => store("k", "x".repeat(1000)),
  () => load("k"),
  () => content([1]),
  () => setTimeout(1),
  () => as_settled([1]),
  () => text({ toJSON: () => "x".repeat(2 ** 29) }),
  () => text("x".repeat(2 ** 29 - 30)),
  () => new ArrayBuffer(2 ** 50),
  () => new ArrayBuffer(8, { maxByteLength: 2 ** 50 })
]
let given = []
for (let round = 0; round < 300; round++) {
  for (const call of calls) {
    try {
      given.push(call())
    } catch (error) {
      given.push(error)
    }
  }
  kit.probeAll("full heap", given)
  given = []
  if (round % 10 === 0) kit.verdict()
  kept.push(new Array(25_000).fill(round))
}
kit.verdict()
