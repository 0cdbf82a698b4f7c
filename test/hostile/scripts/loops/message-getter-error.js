// The same on a real error, which V8 inspects and may not leave.
// {"ends": ["Terminated"], "neighbour": "may be lost"}
const e = new Error("x")
for (const key of ["message", "stack", "name"]) {
  Object.defineProperty(e, key, {
    get() {
      for (;;);
    }
  })
}
Promise.reject(e)
await tools.echo(1)
await new Promise(() => {})
