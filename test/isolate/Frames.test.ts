import { assert, describe, it } from "@effect/vitest"
import { makeReader, makeWriter, maxPayload } from "effect-code-mode/isolate/Frames"
import { PassThrough } from "node:stream"

const frames: ReadonlyArray<[number, number, string]> = [
  [1, 2, "hello"],
  [4_294_967_295, 255, ""],
  [0, 0, "é😀\n\u0000"],
  [7, 1, "x".repeat(100_000)]
]

type Sent = readonly [cell: number, kind: number, payload?: string, rest?: string]

const written = async (sent: ReadonlyArray<Sent> = frames) => {
  const stream = new PassThrough({ highWaterMark: 1 << 20 })
  const chunks: Array<Buffer> = []
  stream.on("data", (chunk: Buffer) => chunks.push(chunk))
  const send = makeWriter(stream)
  sent.forEach((frame) => assert.isTrue(send(...frame)))
  await new Promise(setImmediate)
  return chunks
}

const read = (chunks: ReadonlyArray<Buffer>) => {
  const seen: Array<[number, number, string]> = []
  const push = makeReader((...frame) => seen.push(frame))
  chunks.forEach((chunk) => assert.isTrue(push(chunk)))
  return seen
}

describe("Frames", () => {
  it("all frames of a tick are one write", async () => {
    const chunks = await written()
    assert.strictEqual(chunks.length, 1)
    assert.deepStrictEqual(read(chunks), frames)
  })

  it.each([1, 2, 3, 8, 9, 10, 4096])("frames come back from pieces of %d bytes", async (size) => {
    const all = Buffer.concat(await written())
    const pieces = Array.from(
      { length: Math.ceil(all.length / size) },
      (_, i) => all.subarray(i * size, (i + 1) * size)
    )
    assert.deepStrictEqual(read(pieces), frames)
  })

  it("a payload in two parts is one", async () => {
    const sent: ReadonlyArray<Sent> = [[1, 4, "é", "😀 and more"], [2, 4, "", "ü"], [3, 4, "x", ""], [
      4,
      4,
      "x".repeat(100_000),
      "é"
    ]]
    const whole = sent.map(([cell, kind, payload, rest]) => [cell, kind, `${payload}${rest}`])
    assert.deepStrictEqual(read(await written(sent)), whole)
  })

  it("a payload that is too long is not sent, also where each of its parts would be", async () => {
    const stream = new PassThrough()
    const half = "x".repeat(maxPayload / 2)
    assert.isFalse(makeWriter(stream)(1, 4, `${half}x`, half))
    await new Promise(setImmediate)
    assert.strictEqual(stream.readableLength, 0)
  })

  it("a frame that is too long breaks the reader for good", () => {
    const seen: Array<unknown> = []
    const push = makeReader((...frame) => seen.push(frame))
    const header = Buffer.alloc(9)
    header.writeUInt32LE(maxPayload + 1)
    assert.isFalse(push(header))
    assert.isFalse(push(Buffer.alloc(9)))
    assert.deepStrictEqual(seen, [])
  })
})
