// Temporal values without end.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
const a = []
for (let i = 0;; i++) a.push(new Temporal.ZonedDateTime(BigInt(i), "Asia/Tokyo"))
