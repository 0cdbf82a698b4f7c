import { assert, describe, it } from "@effect/vitest"
import * as Approver from "effect-code-mode/Approver"
import * as Delegate from "effect-code-mode/Delegate"
import { CellId } from "effect-code-mode/Protocol"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { calls, layer as session, makeCell, toolCallId } from "../session/TestSession.ts"
import { toolCall } from "../toolCall.ts"
import * as Noting from "./Noting.ts"

describe("approvals", () => {
  const approving = (
    answer: (request: Approver.ApprovalRequest) => Effect.Effect<Approver.Decision>,
    self: Delegate.Delegate["Service"]
  ) => Delegate.withApproval(self).pipe(Effect.provide(Approver.layerCallback(answer)))
  const needed = { needsApproval: true }

  it.effect("are remembered for as long as they say, and for no other session", () =>
    Effect.gen(function*() {
      for (
        const [remember, expected] of [["once", 5], ["cell", 4], ["session", 3], ["always", 2]] as const
      ) {
        let asked = 0
        const { got, self } = Noting.make(undefined, needed)
        const delegate = yield* approving(() => Effect.sync(() => (asked++, Approver.approved(remember))), self)
        const again = { cellId: CellId.make("other") }
        yield* delegate.invokeTool(toolCall({ name: "a" }))
        yield* delegate.invokeTool(toolCall({ name: "a" }))
        yield* delegate.invokeTool(toolCall({ name: "a", ...again }))
        yield* delegate.invokeTool({ ...toolCall({ name: "a" }), sessionId: "other" })
        yield* delegate.invokeTool(toolCall({ name: "b" }))
        assert.strictEqual(asked, expected, remember)
        assert.lengthOf(got, 5)
      }
    }))

  it.effect("that are denied say why, and nothing was done", () =>
    Effect.gen(function*() {
      const { got, self } = Noting.make(undefined, needed)
      const delegate = yield* approving(() => Effect.succeed(Approver.denied("it is late")), self)
      assert.deepInclude(yield* Effect.flip(delegate.invokeTool(toolCall({ name: "a" }))), {
        text: "a was not called: it was denied, because it is late. Do not try it again in the same way.",
        performed: false
      })
      assert.lengthOf(got, 0)
    }))

  it.effect("are waited for by a cell that says so, and do not outlive it", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const stopped = yield* Deferred.make<void>()
      const { got, self } = Noting.make(undefined, needed)
      const delegate = yield* approving(
        () =>
          Effect.andThen(Deferred.succeed(asked, undefined), Effect.never).pipe(
            Effect.onInterrupt(() => Deferred.succeed(stopped, undefined))
          ),
        { ...self, tools: [{ ...self.tools[0]!, name: "tool" }] }
      )
      yield* Effect.gen(function*() {
        const { cell, isolate, session } = yield* makeCell
        yield* isolate.emit(calls("tool-1"))
        yield* Deferred.await(asked)
        const [live] = yield* session.cells
        assert.deepStrictEqual(live?.awaitingApproval, [toolCallId("tool-1")])
        // The bound on the time of a cell does not count meanwhile.
        yield* TestClock.adjust("1 hour")
        const event = yield* session.observe(cell, { yieldAfter: 0 })
        assert.deepInclude(event, { _tag: "Yielded", awaitingApproval: [toolCallId("tool-1")] })
        assert.strictEqual((yield* session.terminate(cell))._tag, "Terminated")
        yield* Deferred.await(stopped)
        const { calls: [record] } = yield* session.ledger(cell.id)
        assert.deepInclude(record, { tool: "tool", state: "NotStarted", durationMillis: 0 })
        assert.lengthOf(got, 0)
      }).pipe(
        Effect.provide(session({ invokeTool: delegate.invokeTool, limits: { maxWallTime: Duration.minutes(1) } }))
      )
    }))
})
