// Locale data names no machine.
// {"ends": ["ok"], "text": "^contained$"}
const o = new Intl.DateTimeFormat().resolvedOptions()
kit.probe("options", o)
if (new Date(2020, 0).getTimezoneOffset() !== 0 && o.timeZone !== "UTC") kit.found(o.timeZone)
kit.verdict()
