// Every kind of Intl object in turn.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
const kinds = [Intl.PluralRules, Intl.ListFormat, Intl.RelativeTimeFormat, Intl.Locale, Intl.DateTimeFormat]
const a = []
for (let i = 0;; i++) a.push(new kinds[i % kinds.length]("en"))
