// Date formats, whose memory V8 does not count.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
const a = []
for (let i = 0;; i++) a.push(new Intl.DateTimeFormat("de-u-ca-buddhist", { timeZone: "Asia/Tokyo", dateStyle: "full" }))
