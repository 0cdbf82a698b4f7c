import { assert, describe, it } from "@effect/vitest"
import * as CellPhase from "effect-code-mode/session/CellPhase"
import { continuing, explore, pausable } from "./Laws.ts"

describe("CellPhase", () => {
  it("holds its laws for every sequence of up to seven inputs to a continuing cell", () => {
    assert.isAbove(explore(CellPhase, continuing, 7), 500_000)
  })

  it("holds its laws for every sequence of up to seven inputs to a pausable cell", () => {
    assert.isAbove(explore(CellPhase, pausable, 7), 500_000)
  })
})
