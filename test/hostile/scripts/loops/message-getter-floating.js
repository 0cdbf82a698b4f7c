// An endless loop in the message of a rejection that nobody handles.
// {"ends": ["Terminated"], "neighbour": "may be lost"}
Promise.reject({
  get message() {
    for (;;);
  }
})
await tools.echo(1)
await new Promise(() => {})
