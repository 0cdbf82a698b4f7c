// Spreads an endless iterator.
// {"ends": ["Terminated", "LimitExceeded", "ScriptError"], "seconds": 20, "neighbour": "may be lost"}
;[...{
  *[Symbol.iterator]() {
    for (;;) yield
  }
}]
