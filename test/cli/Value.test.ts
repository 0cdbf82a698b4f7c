import { assert, describe, it } from "@effect/vitest"
import * as Value from "effect-code-mode/bin/report/Value"

const json = (value: unknown) => Value.show(`${Value.mark}j${JSON.stringify(value)}`)
const data = Buffer.alloc(12_345).toString("base64")

describe("Value.show", () => {
  it("leaves other output alone", () => {
    assert.strictEqual(Value.show("{\"a\":1}"), "{\"a\":1}")
    assert.strictEqual(Value.show("x".repeat(100_000)).length, 100_000)
  })

  it("is pretty", () => {
    assert.strictEqual(json({ a: 1, b: ["x", null] }), "{ a: 1, b: [ 'x', null ] }")
    assert.include(json({ first: "x".repeat(60), second: { third: "y".repeat(60) } }), "',\n  second: ")
  })

  it("has a line for an image, a recording and other bytes", () => {
    assert.strictEqual(
      json({
        content: [
          { type: "text", text: "t" },
          { type: "image", data, mimeType: "image/png" },
          { type: "audio", data, mimeType: "audio/wav" },
          { type: "image", data: "AAAA" },
          { type: "resource", resource: { uri: "u", mimeType: "application/zip", blob: data } }
        ],
        url: `data:image/png;base64,${data}`
      }),
      `{
  content: [
    { type: 'text', text: 't' },
    [image image/png, 12.3 kB],
    [audio audio/wav, 12.3 kB],
    [image of unknown type, 3 B],
    {
      type: 'resource',
      resource: { uri: 'u', mimeType: 'application/zip', blob: [data application/zip, 12.3 kB] }
    }
  ],
  url: [image image/png, 12.3 kB]
}`
    )
  })

  it("has a line for a data URL by itself", () => {
    assert.strictEqual(
      Value.show(`${Value.mark}sdata:audio/wav;base64,${data}`),
      "[audio audio/wav, 12.3 kB]"
    )
    assert.strictEqual(Value.show(`${Value.mark}sdata: none`), "data: none")
  })

  it("is cut", () => {
    assert.include(json("x".repeat(5000)), "4000 more characters")
    assert.include(json(Array.from({ length: 250 }, (_, n) => n)), "150 more items")
    assert.match(
      json(Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`key ${n}`, n]))),
      /\n {2}'key 98': 98,\n… 202 more lines$/
    )
    assert.match(Value.show(`${Value.mark}s${"x".repeat(20_000)}`), /^x{10000}\n… 10000 more characters$/)
    assert.match(Value.show(`${Value.mark}s${"\n".repeat(500)}`), /^\n{99}\n… 401 more lines$/)
  })

  it("takes what is not JSON, and what nests too deeply", () => {
    assert.strictEqual(Value.show(`${Value.mark}jundefined`), "undefined")
    const deep = "[".repeat(50_000) + "]".repeat(50_000)
    assert.include(Value.show(`${Value.mark}j${deep}`), "[")
    assert.strictEqual(Value.show(Value.mark), "")
  })

  it("keeps members of any name", () => {
    assert.strictEqual(
      Value.show(`${Value.mark}j{"__proto__":{"a":1},"constructor":2,"toString":3}`),
      "{ ['__proto__']: { a: 1 }, constructor: 2, toString: 3 }"
    )
  })
})
