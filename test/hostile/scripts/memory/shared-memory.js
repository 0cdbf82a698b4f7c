// Shared memory and WebAssembly are not there.
// {"ends": ["ok"], "text": "^none$"}
const found = ["SharedArrayBuffer", "WebAssembly", "Atomics"].filter((name) => name in globalThis)
text(found.length === 0 ? "none" : found.join())
