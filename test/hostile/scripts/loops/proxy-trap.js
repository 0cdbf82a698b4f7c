// An endless loop in a proxy trap that a helper triggers.
// {"ends": ["Terminated"]}
text(
  new Proxy({}, {
    ownKeys() {
      for (;;);
    }
  })
)
