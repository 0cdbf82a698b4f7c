// Segmenters and their results.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
const a = []
for (;;) a.push(new Intl.Segmenter("th", { granularity: "word" }).segment("x".repeat(1e5))[Symbol.iterator]())
