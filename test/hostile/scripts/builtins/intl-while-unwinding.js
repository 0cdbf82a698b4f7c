// Works through locales in every frame of a deep stack that unwinds.
// {"ends": ["Terminated", "ScriptError", "LimitExceeded"], "neighbour": "may be lost"}
;(function f(n) {
  try {
    f(n + 1)
  } finally {
    for (let i = 0; i < 100; i++) new Intl.DateTimeFormat("de", { timeZone: "Asia/Tokyo" }).format(n)
  }
})(0)
