// Many resizable buffers.
// {"ends": ["ScriptError"], "text": "RangeError: Array buffer allocation failed", "seconds": 20}
const a = []
for (;;) {
  const b = new ArrayBuffer(0, { maxByteLength: 2 ** 26 })
  b.resize(2 ** 26)
  new Uint8Array(b).fill(1)
  a.push(b)
}
