/** Run by `npm run test:leak`: takes about a minute. */
import { assert, describe, it } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import * as Runtime from "effect-code-mode/Runtime"
import * as V8 from "effect-code-mode/V8"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { readdirSync, readFileSync } from "node:fs"
import { queryObjects } from "node:v8"

// The host keeps nothing of a call itself.
const host = Delegate.layer({
  tools: ["block", "deaf", "echo"].map((name) => ({
    name,
    toolName: { name, namespace: null },
    description: "",
    kind: "function"
  })),
  invokeTool: ({ input = null, toolName }) =>
    toolName.name === "echo"
      ? Effect.succeed(input)
      : toolName.name === "deaf"
      ? Effect.uninterruptible(Effect.never)
      : Effect.never
})

const cells = 10_000

const sources: ReadonlyArray<string> = [
  "store('k', 1); text('completed')",
  "notify('n'); throw new Error('failed')",
  "tools.block(); await new Promise(() => {})",
  "await tools.deaf()",
  "text('x'); exit()",
  "while (true) {}",
  "setTimeout(() => {}, 1e9); await new Promise(() => {})",
  "Promise.reject(new Error('nobody cares')); tools.echo(1); text('y')"
]

/** Resident memory of the lane that belongs to this process, in MiB. */
const laneMemory = () => {
  const lanes = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid)).flatMap((pid) => {
    try {
      const parent = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ")[1]
      return Number(parent) === process.pid
        ? [Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * 4 / 1024]
        : []
    } catch {
      return []
    }
  })
  return Math.max(0, ...lanes)
}

describe("after many real cells", () => {
  it.live("of all kinds, ten thousand more leave nothing behind, here or in the lane", () =>
    Effect.gen(function*() {
      const fiberClass = (yield* Effect.withFiber((fiber) => Effect.succeed(fiber))).constructor
      const session = yield* Runtime.SessionRuntime
      const count = Effect.andThen(
        Effect.sleep(500),
        Effect.sync(() => ({
          fibers: queryObjects(fiberClass as () => void, { format: "count" }),
          handles: process.getActiveResourcesInfo().length,
          heap: process.memoryUsage().heapUsed,
          lane: laneMemory()
        }))
      )
      const one = Effect.fnUntraced(function*(index: number) {
        const { cell, initial } = yield* session.execute(
          { callId: "leak", source: sources[index % sources.length]! },
          { yieldAfter: 20 }
        )
        const event = yield* initial
        if (event._tag === "Yielded") {
          yield* session.terminate(cell)
        }
      })
      const round = Effect.forEach(Array.from({ length: cells }, (_, index) => index), one, {
        concurrency: 16,
        discard: true
      })
      yield* round
      const before = yield* count
      yield* round
      const after = yield* count
      assert.deepStrictEqual(yield* session.cells, [])
      assert.isBelow(after.fibers - before.fibers, 100, "fibers")
      assert.isAtMost(after.handles, before.handles, "handles")
      assert.isBelow(after.heap - before.heap, cells * 1000, "bytes of heap")
      assert.isBelow(after.lane - before.lane, 100, "MiB of the lane")
    }).pipe(
      Effect.provide([Runtime.layer().pipe(Layer.provide([host, V8.layer()])), Logger.layer([])])
    ), 900_000)
})
