// A resizable buffer by way of a subclass and of Reflect.construct.
// {"ends": ["ScriptError"], "text": "RangeError: Array buffer allocation failed", "seconds": 20}
const B = class extends ArrayBuffer {}
const a = []
for (let i = 0;; i++) {
  const args = [0, { maxByteLength: 2 ** 26 }]
  const b = i % 2 ? new B(...args) : Reflect.construct(ArrayBuffer, args, Object)
  Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "resizable").get.call(b)
  ArrayBuffer.prototype.resize.call(b, 2 ** 26)
  new Uint8Array(b).fill(1)
  a.push(b)
}
