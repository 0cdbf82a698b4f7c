// Collators.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
const a = []
for (;;) a.push(new Intl.Collator("zh-u-co-stroke", { numeric: true }))
