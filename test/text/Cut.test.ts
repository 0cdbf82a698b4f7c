import { assert, describe, it } from "@effect/vitest"
import * as Cut from "../../src/text/Cut.ts"

describe("the beginning of a text", () => {
  it("is the whole text where it fits", () => {
    assert.strictEqual(Cut.within("a\u{1f600}", 3), "a\u{1f600}")
    assert.strictEqual(Cut.marked("a\u{1f600}", 3), "a\u{1f600}")
  })

  it("does not end in half a character", () => {
    assert.strictEqual(Cut.within("a\u{1f600}", 2), "a")
    assert.strictEqual(Cut.marked("a\u{1f600}", 2), "a…")
  })
})
