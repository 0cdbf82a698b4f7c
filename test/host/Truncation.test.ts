import { assert, describe, it } from "@effect/vitest"
import type { OutputItem } from "effect-code-mode/Protocol"
import { truncate } from "effect-code-mode/Truncation"

const text = (text: string): OutputItem => ({ type: "input_text", text })
const image: OutputItem = { type: "input_image", image_url: "data:image/png;base64,AAAA", detail: "high" }
const audio = (audio_url: string): OutputItem => ({ type: "input_audio", audio_url })

const wav = (seconds: number): OutputItem => {
  const rate = 8000
  const samples = Math.floor(seconds * rate)
  const bytes = Buffer.alloc(44 + samples, 128)
  bytes.write("RIFF", 0)
  bytes.writeUInt32LE(36 + samples, 4)
  bytes.write("WAVEfmt ", 8)
  bytes.writeUInt32LE(16, 16)
  bytes.writeUInt16LE(1, 20)
  bytes.writeUInt16LE(1, 22)
  bytes.writeUInt32LE(rate, 24)
  bytes.writeUInt32LE(rate, 28)
  bytes.writeUInt16LE(1, 32)
  bytes.writeUInt16LE(8, 34)
  bytes.write("data", 36)
  bytes.writeUInt32LE(samples, 40)
  return audio(`data:audio/wav;base64,${bytes.toString("base64")}`)
}

/** The output for a budget, each item as its text or its kind. */
const shown = (items: ReadonlyArray<OutputItem>, budget: number) =>
  truncate(items, budget).map((item) => item.type === "input_text" ? item.text : item.type)

const warning = (tokens: number, lines: number) =>
  `Warning: truncated output (original token count: ${tokens})\nTotal output lines: ${lines}\n\n`

describe("texts alone", () => {
  it("stay as they are while they fit", () => {
    const items = [text("short"), text(""), text("two")]
    assert.strictEqual(truncate(items, 3), items)
    assert.strictEqual(truncate([text("")], 0).length, 1)
    assert.deepStrictEqual(shown([text("a".repeat(20))], 5), ["a".repeat(20)])
  })

  it("lose their middle", () => {
    assert.deepStrictEqual(shown([text("0123456789".repeat(4))], 5), [
      `${warning(10, 1)}0123456789…5 tokens truncated…0123456789`
    ])
    assert.deepStrictEqual(shown([text("a".repeat(21))], 5), [
      `${warning(6, 1)}aaaaaaaaaa…1 tokens truncated…aaaaaaaaaa`
    ])
    assert.deepStrictEqual(shown([text("short")], 0), [`${warning(2, 1)}…2 tokens truncated…`])
  })

  it("are joined by lines, without empty ones at the start", () => {
    assert.deepStrictEqual(shown([text(""), text(""), text("abc"), text(""), text("d".repeat(50))], 7), [
      `${warning(14, 3)}abc\n\nddddddddd…7 tokens truncated…dddddddddddddd`
    ])
  })

  it("count a last line that is empty only if it was an item", () => {
    assert.match(shown([text("a\n".repeat(50))], 5)[0]!, /lines: 50\n/)
    assert.match(shown([text("a\n".repeat(50)), text("")], 5)[0]!, /lines: 51\n/)
  })

  it("are cut between characters", () => {
    assert.deepStrictEqual(shown([text("é".repeat(100))], 7), [
      `${warning(50, 1)}ééééééé…43 tokens truncated…ééééééé`
    ])
    assert.deepStrictEqual(shown([text(`x${"😀".repeat(100)}`)], 7), [
      `${warning(101, 1)}x😀😀😀…94 tokens truncated…😀😀😀`
    ])
  })
})

describe("output with images or audio", () => {
  it("keeps its images, and of its texts what fits", () => {
    assert.deepStrictEqual(shown([text("a".repeat(2000)), image, text("b".repeat(2000))], 50), [
      `${"a".repeat(100)}…450 tokens truncated…${"a".repeat(100)}`,
      "input_image",
      "[omitted 1 text items ...]"
    ])
    assert.deepStrictEqual(shown([text("a".repeat(200)), image, text("b")], 0), [
      "input_image",
      "[omitted 2 text items ...]"
    ])
  })

  it("drops texts that are empty", () => {
    assert.deepStrictEqual(shown([image, text(""), text("x")], 500), ["input_image", "x"])
    assert.deepStrictEqual(shown([image, text("abcd".repeat(5)), text(""), text("x")], 5), [
      "input_image",
      "abcd".repeat(5),
      "[omitted 1 text items ...]"
    ])
  })

  it("charges audio ten tokens a second", () => {
    for (const [seconds, tokens] of [[0.5, 5], [1, 10], [1.05, 11], [10, 100]] as const) {
      assert.deepStrictEqual(shown([wav(seconds)], tokens), ["input_audio"], `${seconds} s`)
      assert.deepStrictEqual(shown([wav(seconds)], tokens - 1), ["[omitted 1 audio items ...]"], `${seconds} s`)
    }
  })

  it("charges audio that it cannot read by its length", () => {
    for (const url of [`data:audio/wav;base64,${"A".repeat(400)}`, `data:audio/mpeg;base64,${"A".repeat(399)}`]) {
      assert.deepStrictEqual(shown([audio(url)], 106), ["input_audio"])
      assert.deepStrictEqual(shown([audio(url)], 105), ["[omitted 1 audio items ...]"])
    }
  })

  it("goes on with what is cheaper after audio that does not fit", () => {
    assert.deepStrictEqual(shown([wav(100), text("a".repeat(50)), text("b"), wav(100), image], 5), [
      "aaaaaaaaaa…8 tokens truncated…aaaaaaaaaa",
      "input_image",
      "[omitted 1 text items ...]",
      "[omitted 2 audio items ...]"
    ])
  })

  it("survives audio whose header lies", () => {
    const broken = Buffer.from("RIFF\xff\xff\xff\xffWAVEdata\xff\xff\xff\xff", "latin1").toString("base64")
    const endless = Buffer.from("RIFF\0\0\0\0WAVEjunk\0\0\0\0junk\0\0\0\0", "latin1").toString("base64")
    for (const data of [broken, endless, "UklGRg", ""]) {
      assert.deepStrictEqual(shown([audio(`data:audio/wav;base64,${data}`)], 1000), ["input_audio"])
    }
  })
})
