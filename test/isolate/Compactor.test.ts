import { assert, describe, it } from "@effect/vitest"
import { Isolate, type Program } from "effect-code-mode/Isolate"
import { type Compactable, makeCompactor } from "effect-code-mode/isolate/lane/Compactor"
import * as Memory from "effect-code-mode/system/Memory"
import * as V8 from "effect-code-mode/V8"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { afterEach, beforeEach, vi } from "vitest"
import * as Lanes from "../hostile/Lanes.ts"
import { hear, hearUntil, program, until } from "./harness.ts"

describe("a compactor", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  const make = () => {
    const state = { busy: false, turns: 1, compacted: 0 }
    const cell: Compactable = {
      isBusy: () => state.busy,
      turns: () => state.turns,
      compact: async () => {
        state.compacted++
      }
    }
    return { state, cell }
  }

  const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1_000)

  it("compacts a cell once for each time that it waits", async () => {
    const { cell, state } = make()
    const compactor = makeCompactor(() => [cell])
    compactor.wake()
    await pass(1)
    assert.strictEqual(state.compacted, 0)
    await pass(10)
    assert.strictEqual(state.compacted, 1)
    assert.strictEqual(vi.getTimerCount(), 0)
    state.turns++
    compactor.wake()
    await pass(10)
    assert.strictEqual(state.compacted, 2)
  })

  it("leaves a cell alone that computes, or goes on and on", async () => {
    const { cell, state } = make()
    makeCompactor(() => [cell]).wake()
    for (let second = 0; second < 5; second++) {
      state.turns++
      await pass(1)
    }
    state.busy = true
    await pass(5)
    assert.strictEqual(state.compacted, 0)
    state.busy = false
    await pass(2)
    assert.strictEqual(state.compacted, 1)
  })

  it("does without a cell that ends meanwhile", async () => {
    const cells = [make(), make()]
    const rejecting = { ...cells[0]!.cell, compact: () => Promise.reject(new Error("disposed")) }
    const live = new Set([rejecting, cells[1]!.cell])
    makeCompactor(() => live).wake()
    await pass(2)
    assert.strictEqual(cells[1]!.state.compacted, 1)
    live.clear()
    await pass(2)
    assert.strictEqual(vi.getTimerCount(), 0)
  })
})

describe("a lane whose cells wait", () => {
  const source = "const before = [1, { a: \"x\" }]; const result = await tools.hold(); text([before, result])"

  const count = 20

  /** A lane of its own with cells that wait. */
  const start = Effect.fnUntraced(function*(options?: Partial<Program>) {
    const others = new Set(Lanes.lanesOf(process.pid))
    const session = yield* Effect.flatMap(Isolate, (isolate) => isolate.lease)
    const cells = yield* Effect.replicateEffect(
      Effect.tap(
        session.start(program(source, options)),
        (cell) => hearUntil(cell, ({ _tag }) => _tag === "ToolCalls")
      ),
      count
    )
    const lane = Lanes.lanesOf(process.pid).find((lane) => !others.has(lane))
    return { cells, held: () => Memory.ofProcess(lane) }
  })

  it.live("gives memory back, and its cells go on, but for those that would pay for it", () =>
    Effect.gen(function*() {
      const bounded = yield* start({ maxCpuTime: Duration.minutes(1) })
      const others = yield* start()
      yield* until(() => others.held() < bounded.held() - count * 2 ** 17)
      for (const cell of [...bounded.cells, ...others.cells]) {
        cell.resolve("tool-1" as never, "\"done\"")
        assert.deepStrictEqual((yield* hear(cell, [])).texts, ["[[1,{\"a\":\"x\"}],\"done\"]"])
      }
    }).pipe(Effect.provide(V8.layer({ warmLanes: 0, warmIsolates: 1 }))))
})
