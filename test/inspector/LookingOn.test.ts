import { assert, describe, it } from "@effect/vitest"
import { type ActivityEvent, CellId, Lagged, ToolCallId } from "effect-code-mode/Protocol"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as LookingOn from "../../src/inspector/LookingOn.ts"
import { Model } from "../../src/inspector/Model.ts"
import * as CellRef from "../../src/session/CellRef.ts"
import type * as Onlooker from "../../src/session/Onlooker.ts"

const done = CellId.make("done")
const failed = CellId.make("failed")
const forgotten = CellId.make("forgotten")
const running = CellId.make("running")

const call = (id: string, state: "Succeeded" | "Running") => ({
  toolCallId: ToolCallId.make(id),
  tool: "read",
  state,
  durationMillis: 7
})

const live = (id: CellId, status: "Settled" | "Running") => ({
  cell: CellRef.continuing(id),
  status,
  busy: false,
  degraded: false
})

describe("who looks at a session", () => {
  it.effect("hears of what has ended while it was behind", () =>
    Effect.gen(function*() {
      const lag = yield* Deferred.make<never, Lagged>()
      const again = yield* Deferred.make<void>()
      const later = yield* Deferred.make<ActivityEvent>()
      let readers = 0
      const runtime: Onlooker.Session = {
        activity: Stream.unwrap(Effect.sync(() => {
          readers++
          return readers === 1
            ? Stream.fromEffect(Deferred.await(lag))
            : Stream.concat(Stream.fromEffect(Deferred.await(later)), Stream.never)
        })),
        output: () => Stream.empty,
        cells: Effect.sync(() => {
          // What happens from now on is heard again.
          assert.strictEqual(readers, 2)
          return [live(failed, "Settled"), live(running, "Running")]
        }),
        awaitSettled: (id) =>
          id === forgotten
            ? Effect.fail("it is not known any more")
            : Effect.succeed(id === failed ? "Failed" : "Completed"),
        ledger: (id) =>
          id === running
            ? Effect.as(Deferred.succeed(again, undefined), {
              calls: [call("tool-1", "Succeeded"), call("tool-2", "Running")],
              omitted: 0
            })
            : Effect.succeed({ calls: [], omitted: 0 }),
        storedValues: Effect.succeed({}),
        terminate: () => Effect.void,
        yieldNow: () => Effect.void
      }

      let now = 1000
      const model = new Model(() => now++)
      const looking = LookingOn.make(model, () => {})("one")
      yield* looking.begin(runtime, { processes: () => [], isKept: false })
      for (const id of [done, failed, forgotten, running]) {
        looking.onCell(CellRef.continuing(id), "continuing", { callId: "call", source: "" })
      }
      const [first, , , last] = Array.from(model.cells.values())
      model.callOf(first!, "tool-1", "read")
      yield* Deferred.fail(lag, new Lagged({ capacity: 1 }))
      yield* Deferred.await(again)

      const states = () => Array.from(model.cells.values(), ({ running, status }) => [status, running])
      assert.deepStrictEqual(states(), [["Completed", 0], ["Failed", 0], ["Terminated", 0], ["Running", 0]])
      assert.deepStrictEqual(
        Array.from(last!.calls.values(), ({ endedAt, startedAt, state }) => [state, endedAt! - startedAt]),
        [["Succeeded", 7]]
      )
      yield* Deferred.succeed(later, { _tag: "Settled", cellId: running, outcome: "Completed" })
      yield* Effect.yieldNow
      assert.strictEqual(last!.status, "Completed")
    }))
})
