import { assert, describe, it } from "@effect/vitest"
import * as Approver from "effect-code-mode/Approver"
import { Remembered } from "effect-code-mode/data/Remembered"
import * as Delegate from "effect-code-mode/Delegate"
import { CellId } from "effect-code-mode/Protocol"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { queryObjects } from "node:v8"
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

  it.effect("are remembered for a session and a cell themselves, and not for others of the same name", () =>
    Effect.gen(function*() {
      for (const [remember, expected] of [["cell", 2], ["session", 2], ["always", 1]] as const) {
        let asked = 0
        const { got, self } = Noting.make(undefined, needed, ["tool"])
        const delegate = yield* approving(() => Effect.sync(() => (asked++, Approver.approved(remember))), self)
        const run = Effect.gen(function*() {
          const { cell, isolate, session } = yield* makeCell
          yield* isolate.emit(calls("tool-1", "tool-2"))
          yield* Effect.yieldNow
          yield* session.terminate(cell)
        }).pipe(Effect.provide(session({ invokeTool: delegate.invokeTool, sessionId: "same" }), { local: true }))
        yield* run
        yield* run
        assert.strictEqual(asked, expected, remember)
        assert.lengthOf(got, 4)
      }
    }))

  it.live("are forgotten with their session and cell", () =>
    Effect.gen(function*() {
      const { self } = Noting.make(undefined, needed, ["tool"])
      let remember: Approver.Remember = "cell"
      const delegate = yield* approving(() => Effect.sync(() => Approver.approved(remember)), self)
      const run = Effect.gen(function*() {
        const { cell, isolate, session } = yield* makeCell
        yield* isolate.emit(calls("tool-1"))
        yield* Effect.yieldNow
        yield* session.terminate(cell)
      }).pipe(Effect.provide(session({ invokeTool: delegate.invokeTool }), { local: true }))
      const count = Effect.andThen(
        Effect.sleep(50),
        Effect.sync(() => queryObjects(Remembered, { format: "count" }))
      )
      yield* run
      const before = yield* count
      for (let index = 0; index < 50; index++) {
        remember = index % 2 === 0 ? "cell" : "session"
        yield* run
      }
      assert.isAtMost((yield* count) - before, 10)
    }))

  it.effect("are bounded: of too many, the oldest is asked for again", () =>
    Effect.gen(function*() {
      let asked = 0
      const names = Array.from({ length: 1025 }, (_, index) => `tool${index}`)
      const { self } = Noting.make(undefined, needed, names)
      const delegate = yield* approving(() => Effect.sync(() => (asked++, Approver.approved("always"))), self)
      for (const name of [...names, "tool1024", "tool0"]) {
        yield* delegate.invokeTool(toolCall({ name }))
      }
      assert.strictEqual(asked, 1026)
    }))

  it.effect("that are remembered answer what is still asked", () =>
    Effect.gen(function*() {
      const answers: Array<Deferred.Deferred<Approver.Decision>> = []
      let withdrawn = 0
      const { got, self } = Noting.make(undefined, needed)
      const delegate = yield* approving(() => {
        const answer = Deferred.makeUnsafe<Approver.Decision>()
        answers.push(answer)
        return Effect.onInterrupt(Deferred.await(answer), () => Effect.sync(() => withdrawn++))
      }, self)
      const asking = yield* Effect.forEach(["a", "a", "b", "a"], (name, index) =>
        Effect.forkChild(
          delegate.invokeTool(toolCall({ name, cellId: CellId.make(index === 3 ? "other" : "cell") })),
          { startImmediately: true }
        ))
      yield* Deferred.succeed(answers[1]!, Approver.approved("cell", "edited"))
      yield* Fiber.joinAll([asking[0]!, asking[1]!])
      assert.strictEqual(withdrawn, 1)
      // What was edited was edited for one call.
      assert.sameMembers(got.map(({ input }) => input), [undefined, "edited"])
      yield* Deferred.succeed(answers[2]!, Approver.denied("no", "session"))
      yield* Deferred.succeed(answers[3]!, Approver.denied())
      assert.isTrue((yield* Effect.exit(Fiber.join(asking[2]!)))._tag === "Failure")
      assert.deepInclude(yield* Effect.flip(Fiber.join(asking[3]!)), {
        text: "a was not called: it was denied. Do not try it again in the same way."
      })
      assert.deepInclude(yield* Effect.flip(delegate.invokeTool(toolCall({ name: "b" }))), { performed: false })
      assert.lengthOf(answers, 4)
    }))

  it.effect("are asked for once, however many ask", () =>
    Effect.gen(function*() {
      let asked = 0
      const { got, self } = Noting.make(undefined, needed)
      const delegate = yield* Effect.provide(
        Effect.flatMap(Delegate.withApproval(self), (inner) => Delegate.withPolicy(inner, () => "ask")),
        Approver.layerCallback(() => Effect.sync(() => (asked++, Approver.approved("once", "edited"))))
      )
      yield* delegate.invokeTool(toolCall({ name: "a" }))
      assert.strictEqual(asked, 1)
      assert.deepStrictEqual(got.map(({ input }) => input), ["edited"])
      // Where nothing can be asked inside, what was agreed on outside holds.
      const deaf = yield* Delegate.withPolicy(self, (): Delegate.Verdict => "ask") as Effect.Effect<typeof self>
      assert.deepInclude(yield* Effect.flip(deaf.invokeTool(toolCall({ name: "a" }))), {
        text: "a was not called: it needs an approval, and nothing here can give one",
        performed: false
      })
      const around = yield* approving(() => Effect.succeed(Approver.approved()), deaf)
      yield* around.invokeTool(toolCall({ name: "a" }))
      assert.lengthOf(got, 2)
    }))

  it.effect("take no time of the tool", () =>
    Effect.gen(function*() {
      const answer = yield* Deferred.make<void>()
      const { got, self } = Noting.make(Effect.never, needed)
      const delegate = Delegate.withTimeout(
        yield* approving(() => Effect.as(Deferred.await(answer), Approver.approved()), self),
        "2 seconds"
      )
      const asking = yield* Effect.forkChild(Effect.flip(delegate.invokeTool(toolCall({ name: "a" }))), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 hour")
      assert.lengthOf(got, 0)
      yield* Deferred.succeed(answer, undefined)
      yield* TestClock.adjust(1999)
      assert.lengthOf(got, 1)
      assert.isUndefined(asking.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(asking)).text, "a gave no answer within 2s")
    }))
})
