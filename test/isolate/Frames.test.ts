import { assert, describe, it } from "@effect/vitest"
import { makeReader, makeWriter, maxPayload } from "effect-code-mode/isolate/Frames"
import { PassThrough } from "node:stream"

const frames: ReadonlyArray<[number, number, string]> = [
  [1, 2, "hello"],
  [4_294_967_295, 255, ""],
  [0, 0, "é😀\n\u0000"],
  [7, 1, "x".repeat(100_000)]
]

const written = async () => {
  const stream = new PassThrough({ highWaterMark: 1 << 20 })
  const chunks: Array<Buffer> = []
  stream.on("data", (chunk: Buffer) => chunks.push(chunk))
  const send = makeWriter(stream)
  frames.forEach((frame) => send(...frame))
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
