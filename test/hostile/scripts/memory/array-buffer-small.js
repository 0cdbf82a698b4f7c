// Very many small array buffers.
// {"ends": ["LimitExceeded", "ScriptError"], "seconds": 20}
const a = []
for (;;) a.push(new Uint8Array(new ArrayBuffer(4096)).fill(1))
