// An endless loop in the then of what a promise resolves to.
// {"ends": ["Terminated"]}
await {
  get then() {
    for (;;);
  }
}
