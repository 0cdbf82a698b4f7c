import { afterEach, assert, describe, it } from "@effect/vitest"
import { makeNames } from "effect-code-mode/isolate/lane/Source"
import { vi } from "vitest"

afterEach(() => {
  vi.restoreAllMocks()
})

describe("the names that a cell's frame has", () => {
  it("are different ones, whatever chance says, and as long as the keyword that one replaces", () => {
    for (const chance of [0, 0.5, 1 - 2 ** -53]) {
      vi.spyOn(Math, "random").mockReturnValue(chance)
      const names = Object.values(makeNames(""))
      assert.strictEqual(new Set(names).size, 4)
      names.forEach((name) => assert.strictEqual(name.length, "import".length))
    }
  })

  it("are none that the source has", () => {
    vi.spyOn(Math, "random").mockReturnValueOnce(0.25).mockReturnValueOnce(0.25).mockReturnValue(0.75)
    const { begin } = makeNames("")
    assert.notStrictEqual(makeNames(`const ${begin} = 1`).begin, begin)
  })
})
