import { assert, describe, it } from "@effect/vitest"
import * as Suggestion from "effect-code-mode/declarations/Suggestion"

const names = ["mcp__fs__read_file", "mcp__fs__write_file", "mcp__web__fetch", "add", "toString"]

describe("Suggestion.nearest", () => {
  it.each([
    ["mcp__fs__raed_file", "mcp__fs__read_file"],
    ["mcp__fs__writefile", "mcp__fs__write_file"],
    ["mcp__fs__readFile", "mcp__fs__read_file"],
    ["read_file", "mcp__fs__read_file"],
    ["fetsh", "mcp__web__fetch"],
    ["mcp__filesystem__read_file", "mcp__fs__read_file"],
    ["ad", "add"],
    ["ADD", "add"],
    ["tostring", "toString"],
    ["constructor", undefined],
    ["sum", undefined],
    ["__", undefined],
    ["nothing_like_that", undefined]
  ])("of %j is %j", (wanted, meant) => {
    assert.strictEqual(Suggestion.nearest(wanted, names), meant)
    assert.strictEqual(Suggestion.nearest(wanted, []), undefined)
  })
})

describe("Suggestion.explain", () => {
  it.each([
    [
      "TypeError: tools.ad is not a function\n    at exec_main.mjs:1:7",
      "TypeError: tools.ad is not a function\ndid you mean tools.add?\n    at exec_main.mjs:1:7"
    ],
    [
      "TypeError: tools.ad is not a function or its return value is not iterable",
      "TypeError: tools.ad is not a function or its return value is not iterable\ndid you mean tools.add?"
    ]
  ])("%j", (text, explained) => {
    assert.strictEqual(Suggestion.explain(text, names), explained)
  })

  it.each([
    "TypeError: tools.add is not a function",
    "TypeError: tools.ad.b is not a function",
    "TypeError: tools.ad(...) is not a function",
    "TypeError: my.tools.ad is not a function",
    "Error: tools.ad is not a function"
  ])("leaves %j as it is", (text) => {
    assert.strictEqual(Suggestion.explain(text, names), text)
  })
})
