import { assert, describe, it } from "@effect/vitest"
import * as Frame from "effect-code-mode/wire/Frame"

const frame = (payload: string): Buffer => {
  const encoded = Frame.encode(payload)
  assert.isTrue(Buffer.isBuffer(encoded))
  return encoded as Buffer
}

const header = (length: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(length)
  return bytes
}

const makeDecoder = () => {
  const payloads: Array<string> = []
  const decoder = new Frame.Decoder((payload) => payloads.push(payload.toString()))
  return { decoder, payloads }
}

describe("frames", () => {
  it("are the length in little endian, and the payload", () => {
    assert.deepStrictEqual(frame("{\"value\":1}"), Buffer.from("\x0b\0\0\0{\"value\":1}"))
    assert.deepStrictEqual(frame("é"), Buffer.concat([header(2), Buffer.from("é")]))
    assert.deepStrictEqual(frame(""), header(0))
  })

  it("come out as they went in, whatever the pieces are", () => {
    const texts = ["", "a", "{\"a\":[1,2]}", "é😀", "x".repeat(1000), "y".repeat(70_000), ""]
    const bytes = Buffer.concat(texts.map(frame))
    for (const size of [1, 2, 3, 5, 7, 64, 1024, 65_536, bytes.length]) {
      const { decoder, payloads } = makeDecoder()
      for (let start = 0; start < bytes.length; start += size) {
        assert.isUndefined(decoder.push(bytes.subarray(start, start + size)))
      }
      assert.deepStrictEqual(payloads, texts, `pieces of ${size}`)
      assert.isTrue(decoder.isComplete())
    }
  })

  it("are not complete in the middle", () => {
    const { decoder, payloads } = makeDecoder()
    assert.isTrue(decoder.isComplete())
    decoder.push(Buffer.from("\x02\0"))
    assert.isFalse(decoder.isComplete())
    decoder.push(Buffer.from("\0\0a"))
    assert.isFalse(decoder.isComplete())
    decoder.push(Buffer.from("b"))
    assert.isTrue(decoder.isComplete())
    assert.deepStrictEqual(payloads, ["ab"])
  })

  it("are refused past 64 MiB, before any of the payload has come", () => {
    const { decoder, payloads } = makeDecoder()
    const error = decoder.push(Buffer.concat([frame("first"), header(Frame.maxPayload + 1)]))
    assert.strictEqual(error?.message, "code-mode IPC frame length 67108865 exceeds 67108864 bytes")
    assert.deepStrictEqual(payloads, ["first"])
    assert.isUndefined(makeDecoder().decoder.push(header(Frame.maxPayload)))
  })

  it("are not made past 64 MiB", () => {
    assert.strictEqual(frame("x".repeat(Frame.maxPayload)).length, Frame.maxPayload + 4)
    const error = Frame.encode("é".repeat(Frame.maxPayload / 2 + 1))
    assert.instanceOf(error, Frame.FrameError)
    assert.strictEqual(error.message, "code-mode IPC frame length 67108866 exceeds 67108864 bytes")
  })

  it("cost no more in small pieces than their length", () => {
    const payload = "z".repeat(8 * 1024 * 1024)
    const bytes = frame(payload)
    let length = 0
    const decoder = new Frame.Decoder((payload) => {
      length = payload.length
    })
    // Copying all that has come at each piece would move a terabyte.
    for (let start = 0; start < bytes.length; start += 64) {
      decoder.push(bytes.subarray(start, start + 64))
    }
    assert.strictEqual(length, payload.length)
  })
})
