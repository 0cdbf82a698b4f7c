// Array buffers of 16 MiB, written to.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const a = []
for (;;) a.push(new Uint8Array(new ArrayBuffer(2 ** 24)).fill(1))
