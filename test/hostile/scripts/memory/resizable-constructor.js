// Finds the original constructor behind a replaced one.
// {"ends": ["ScriptError"], "text": "RangeError: Array buffer allocation failed", "seconds": 20}
const found = [
  Uint8Array.of(1).buffer.constructor,
  ArrayBuffer.prototype.constructor,
  Object.getPrototypeOf(new ArrayBuffer(1)).constructor
]
const a = []
for (;;) {
  for (const B of found) {
    const b = new B(0, { maxByteLength: 2 ** 26 })
    b.resize(2 ** 26)
    new Uint8Array(b).fill(1)
    a.push(b)
  }
}
