// Timers without end, far in the future.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
for (;;) setTimeout(() => {}, 1e9)
