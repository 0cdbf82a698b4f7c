import { assert, describe, it } from "@effect/vitest"
import * as Runtime from "effect-code-mode/Runtime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { queryObjects } from "node:v8"
import { calls, finished, layer, makeCell, notify, output } from "./TestSession.ts"

const cells = 5_000

describe("after many cells", () => {
  it.live("of all kinds, five thousand more leave no cell, fiber or handle behind", () =>
    Effect.gen(function*() {
      const fiberClass = (yield* Effect.withFiber((fiber) => Effect.succeed(fiber))).constructor
      const session = yield* Runtime.SessionRuntime
      // A collection spares what the running macrotask has touched.
      const countFibers = Effect.andThen(
        Effect.sleep(50),
        Effect.sync(() => queryObjects(fiberClass as () => void, { format: "count" }))
      )
      const one = Effect.fnUntraced(function*(index: number) {
        const { cell, isolate } = yield* makeCell
        const observer = index % 2 === 0
          ? Option.some(
            yield* Effect.forkChild(session.observe(cell, { yieldAfter: "1 minute" }), { startImmediately: true })
          )
          : Option.none()
        yield* isolate.emit(output(`cell ${index}`))
        switch (index % 5) {
          case 0:
            yield* isolate.emit(finished({ stored: [["k", String(index)]] }))
            break
          case 1:
            yield* isolate.emit(notify("n"), finished({ error: "Error: x" }))
            break
          case 2:
            yield* isolate.emit(calls("tool-1", "tool-2"))
            break
          case 3:
            yield* isolate.emit(calls("deaf-1"), notify("n"))
            break
          case 4:
            yield* isolate.end
            break
        }
        // Abandoning takes the grace: wait for it beside other cells.
        yield* Effect.exit(session.terminate(cell))
        yield* Option.isSome(observer) ? Effect.exit(Fiber.join(observer.value)) : Effect.exit(session.observe(cell))
      })
      const round = Effect.forEach(Array.from({ length: cells }, (_, index) => index), one, {
        concurrency: 2000,
        discard: true
      })
      // The first round fills what is kept on purpose: remembered ids, and buffers of the scheduler.
      yield* round
      const fibers = yield* countFibers
      const handles = process.getActiveResourcesInfo().length
      const { heapUsed } = process.memoryUsage()
      yield* round
      assert.deepStrictEqual(yield* session.cells, [])
      assert.isBelow((yield* countFibers) - fibers, 100, "fibers")
      assert.isAtMost(process.getActiveResourcesInfo().length, handles, "handles")
      // A cell that stayed would be a kilobyte at the least.
      assert.isBelow(process.memoryUsage().heapUsed - heapUsed, cells * 200, "bytes of heap")
    }).pipe(
      Effect.provide(
        layer({
          invokeTool: ({ toolCallId }) =>
            toolCallId.startsWith("deaf") ? Effect.uninterruptible(Effect.never) : Effect.never,
          notify: () => Effect.void
          // What it logs would be written while handles are counted.
        }).pipe(Layer.provideMerge(Logger.layer([])))
      )
    ), 120_000)
})
