// One resizable buffer, grown and written to.
// {"ends": ["ScriptError"], "text": "RangeError: Array buffer allocation failed", "seconds": 20}
const b = new ArrayBuffer(0, { maxByteLength: 2 ** 31 })
for (let n = 0;; n += 2 ** 24) {
  b.resize(n)
  new Uint8Array(b).fill(1)
}
