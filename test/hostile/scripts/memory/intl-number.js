// Number formats.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
const a = []
for (;;) a.push(new Intl.NumberFormat("ar-EG", { style: "currency", currency: "EUR", notation: "compact" }))
