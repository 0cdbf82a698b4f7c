// An endless iterator given to as_settled.
// {"ends": ["Terminated", "LimitExceeded"]}
as_settled({
  *[Symbol.iterator]() {
    for (;;) yield 1
  }
})
