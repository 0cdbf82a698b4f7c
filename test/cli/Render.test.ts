import { assert, describe, it } from "@effect/vitest"
import * as Render from "effect-code-mode/bin/report/Render"
import { text } from "effect-code-mode/bin/terminal/Printable"
import { type CellError, ToolError } from "effect-code-mode/Protocol"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"

describe("Render.item", () => {
  it("prints text as a line", () => {
    const item = (text: string) => String(Render.item({ type: "input_text", text }))
    assert.strictEqual(item("one\ntwo"), "one\ntwo\n")
    assert.strictEqual(item("one\n"), "one\n")
    assert.strictEqual(item(""), "\n")
  })

  it("says what an image or a recording is", () => {
    const image = (image_url: string) => String(Render.item({ type: "input_image", image_url }))
    const data = Buffer.alloc(12_345).toString("base64")
    assert.strictEqual(image(`data:image/png;base64,${data}`), "[image image/png, 12.3 kB]\n")
    assert.strictEqual(image("data:image/svg+xml;charset=utf-8,<svg/>"), "[image image/svg+xml, 6 B]\n")
    assert.strictEqual(image("data:;base64,AAAA"), "[image of unknown type, 3 B]\n")
    assert.strictEqual(
      String(Render.item({ type: "input_audio", audio_url: "data:audio/wav;base64,AAA=" })),
      "[audio audio/wav, 2 B]\n"
    )
  })
})

describe("Render.toolCall", () => {
  it.each([
    [0.4, Exit.succeed({ content: [] }), "t  0 ms  ok"],
    [12.3, Exit.succeed("isError"), "t  12 ms  ok"],
    [
      1234,
      Exit.succeed({ isError: true, content: [{ type: "text", text: "no\nsuch" }, { type: "text", text: "file" }] }),
      "t  1.2 s  error: no such file"
    ],
    [5, Exit.fail(new ToolError({ text: "\u001b[31mred\u001b[0m\u0007\n" })), "t  5 ms  failed: red\\u0007"],
    [5, Exit.fail(new ToolError({ text: "x".repeat(1000) })), `t  5 ms  failed: ${"x".repeat(200)}…`],
    [5, Exit.fail(new ToolError({ text: "t: no answer" })), "t  5 ms  failed: no answer"],
    [5, Exit.interrupt(1), "t  5 ms  cancelled"],
    [5, Exit.failCause(Cause.die("bug")), "t  5 ms  crashed"]
  ])("%d ms %j", (millis, exit, line) => {
    assert.strictEqual(String(Render.toolCall("t", millis, exit)), line)
  })
})

describe("Render.argument", () => {
  it.each([
    [{ content: "much text", path: "notes/monday.txt" }, "notes/monday.txt"],
    [{ path: " ", count: 2, text: "hello\nthere" }, "hello there"],
    ["a query", "a query"],
    [{ path: "x".repeat(100) }, "x".repeat(60)],
    [{ count: 2 }, ""],
    [[1], ""],
    [["first", { limit: 3 }], "first"],
    [undefined, ""]
  ])("of %j is %j", (input, shown) => {
    assert.strictEqual(String(Render.argument(input)), shown)
  })
})

describe("Render.progress", () => {
  it.each([
    [{ progress: 1, total: 4, message: "step\n1" }, "25 % step 1"],
    [{ progress: 2.5 }, "2.5"],
    [{ progress: 3, total: 0 }, "3.0"]
  ])("of %j is %j", (progress, shown) => {
    assert.strictEqual(String(Render.progress(progress)), shown)
  })
})

describe("Render.failure", () => {
  const source = (source: string) => ({ label: text`cell.js`, text: source })
  const error = (location?: CellError["location"]): CellError => ({
    _tag: "ScriptError",
    text: "Error: no",
    ...(location === undefined ? {} : { location })
  })

  it("marks the place", () => {
    assert.strictEqual(
      String(Render.failure(source("text(1)\r\n\tthrow new Error('no')\n"), error({ line: 2, column: 8 }))),
      [
        "Error: no",
        "",
        "cell.js:2:8",
        " 2 | \tthrow new Error('no')",
        "   | \t      ^"
      ].join("\n")
    )
  })

  it("marks a place far into a long line", () => {
    const [, , , line, caret] = String(Render.failure(
      source(`${"a".repeat(5000)}!${"b".repeat(5000)}`),
      error({ line: 1, column: 5001 })
    )).split("\n")
    assert.strictEqual(line?.length, " 1 | ".length + 100)
    assert.strictEqual(line?.[caret!.indexOf("^")], "!")
  })

  it("marks a place behind what nobody sees", () => {
    const [, , , line, caret] = String(
      Render.failure(source("a('\u202e\u001b'); fail()"), error({ line: 1, column: 10 }))
    ).split("\n")
    assert.strictEqual(line, " 1 | a('\\u202e\\u001b'); fail()")
    assert.strictEqual(line?.slice(caret!.indexOf("^")), "fail()")
  })

  it("has nothing to mark without a place in the source", () => {
    assert.strictEqual(String(Render.failure(source("a"), error())), "Error: no")
    assert.strictEqual(String(Render.failure(source("a"), error({ line: 7, column: 1 }))), "Error: no")
  })
})
