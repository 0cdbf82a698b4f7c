// Timers without end, each due before the one set last.
// {"ends": ["Terminated", "LimitExceeded", "ScriptError"], "seconds": 5, "neighbour": "may be lost"}
for (let delay = 2 ** 31 - 1;; delay--) setTimeout(() => {}, delay)
