// Nothing of a host is a global.
// {"ends": ["ok"], "text": "^contained$"}
const names =
  "process require module global Buffer fetch console performance structuredClone queueMicrotask setInterval setImmediate Deno Bun navigator location self window crypto URL TextEncoder WebAssembly SharedArrayBuffer Atomics FinalizationRegistry ivm isolate program $0 $1 $2"
    .split(" ")
for (const name of names) {
  if (name in globalThis) kit.found(name)
  try {
    eval(name)
    kit.found("binding " + name)
  } catch {}
}
kit.verdict()
