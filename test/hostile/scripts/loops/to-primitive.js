// An endless loop in the conversion of a key.
// {"ends": ["Terminated"]}
load({
  [Symbol.toPrimitive]() {
    for (;;);
  }
})
