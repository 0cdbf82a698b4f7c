// An endless loop in toJSON.
// {"ends": ["Terminated"]}
text({
  toJSON() {
    for (;;);
  }
})
