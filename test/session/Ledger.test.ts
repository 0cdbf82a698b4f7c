import { assert, describe, it } from "@effect/vitest"
import * as Approver from "effect-code-mode/Approver"
import * as Delegate from "effect-code-mode/Delegate"
import * as Isolate from "effect-code-mode/Isolate"
import {
  CellId,
  Limits,
  type MissingCell,
  type NestedToolCall,
  ToolError,
  type WrongCellKind
} from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Noting from "../delegate/Noting.ts"
import * as PlayedHost from "../remote/PlayedHost.ts"
import { calls, finished, request, started, toolCallId, toolDefinition } from "./TestSession.ts"

interface Options {
  readonly invokeTool: (call: NestedToolCall) => Effect.Effect<Schema.Json, ToolError>
  readonly limits?: Limits
}

/** Sessions of this process and of another one, whose isolates the test plays. */
const kinds: ReadonlyArray<
  readonly [
    name: string,
    make: (options: Options) => Effect.Effect<
      Runtime.SessionRuntime["Service"],
      unknown,
      Isolate.Isolate | Isolate.TestIsolates | Scope.Scope
    >
  ]
> = [
  [
    "of a session",
    ({ invokeTool, limits }) =>
      Runtime.make({ limits }).pipe(
        Effect.provide(Delegate.layer({ tools: [toolDefinition("tool")], invokeTool }))
      )
  ],
  ["of a session at a host", (options) => Effect.map(PlayedHost.open(options), ({ session }) => session)]
]

/** Waits until a person agrees. */
const waiting = Delegate.awaitingApproval

/** A delegate whose calls a person would have to agree to, who never does. */
const asked = Delegate.withPolicy(Noting.make(undefined, {}, ["tool"]).self, () => "ask").pipe(
  Effect.provide(Approver.layerCallback(() => Effect.never))
)

/** Lets everything happen that can happen by itself. */
const settle = Effect.forEach(Array.from({ length: 30 }), () => Effect.yieldNow, { discard: true })

describe.each(kinds)("the ledger %s", (kind, make) => {
  const makeCell = Effect.fnUntraced(function*(options: Options) {
    const session = yield* make(options)
    const cell = yield* session.create(request())
    const isolate = yield* Effect.flatMap(Isolate.TestIsolates, ({ next }) => next)
    yield* isolate.emit(started)
    const states = Effect.map(session.ledger(cell.id), (ledger) => ledger.calls.map(({ state }) => state))
    return { session, cell, isolate, states }
  })

  const test = (
    name: string,
    body: Effect.Effect<unknown, unknown, Isolate.Isolate | Isolate.TestIsolates | Scope.Scope>
  ) => it.effect(name, () => Effect.provide(body, Isolate.layerTest))

  test(
    "says what became of each call",
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell({
        invokeTool: ({ toolCallId }) =>
          toolCallId === "tool-1"
            ? Effect.as(Effect.sleep("1 second"), 1)
            : toolCallId === "tool-2"
            ? Effect.fail(new ToolError({ text: "no" }))
            : toolCallId === "tool-3"
            ? Effect.fail(new ToolError({ text: "refused", performed: false }))
            : Effect.never
      })
      yield* isolate.emit(calls("tool-1", "tool-2", "tool-3", "tool-4"))
      yield* settle
      yield* TestClock.adjust("5 seconds")
      yield* session.terminate(cell)
      yield* settle
      const ledger = yield* session.ledger(cell.id)
      assert.deepStrictEqual(ledger.calls.map(({ durationMillis, state }) => [state, durationMillis]), [
        ["Succeeded", 1000],
        ["Failed", 0],
        ["NotStarted", 0],
        ["Interrupted", 5000]
      ])
    })
  )

  test(
    "has what happens to calls told, in order, with times and sizes and nothing else of them",
    Effect.gen(function*() {
      const agreed = yield* Deferred.make<void>()
      const { cell, isolate, session } = yield* makeCell({
        limits: Limits.make({ maxToolCallsInFlight: 2 }),
        invokeTool: ({ toolCallId }) =>
          toolCallId === "tool-1"
            ? Effect.as(Effect.sleep("1 second"), "é")
            : toolCallId === "tool-2"
            ? Effect.andThen(waiting(Deferred.await(agreed)), Effect.fail(new ToolError({ text: "no" })))
            : toolCallId === "tool-3"
            ? waiting(Effect.as(Effect.sleep("1 hour"), null))
            : Effect.never
      })
      yield* TestClock.setTime(1_000_000)
      const activity = yield* Effect.forkChild(Stream.runCollect(session.activity), { startImmediately: true })
      yield* isolate.emit({
        _tag: "ToolCalls",
        calls: ["tool-1", "tool-2", "tool-3", "tool-4", "tool-5"].map((id) => ({
          id: toolCallId(id),
          tool: 0,
          input: "{\"key\":\"secret\"}"
        }))
      })
      yield* settle
      yield* TestClock.adjust("1 second")
      yield* settle
      yield* TestClock.adjust("2 seconds")
      yield* Deferred.succeed(agreed, undefined)
      yield* settle
      yield* TestClock.adjust("2 seconds")
      yield* session.terminate(cell)
      yield* session.shutdown
      const events = yield* Fiber.join(activity)
      const of = (id: string) =>
        events.flatMap((event) => {
          if (!("toolCallId" in event) || event.toolCallId !== id) {
            return []
          }
          const { cellId, tool, toolCallId: _, ...rest } = event
          assert.deepStrictEqual([cellId, tool], [cell.id, "tool"])
          return [rest]
        })
      const at = (seconds: number) => ({ atMillis: 1_000_000 + 1000 * seconds })
      const ended = { _tag: "CallEnded", outputBytes: 0, approvalMillis: 0, queuedMillis: 0 } as const
      const began = { _tag: "CallStarted", inputBytes: 16, queuedMillis: 0 } as const
      assert.deepStrictEqual(of("tool-1"), [
        { ...began, ...at(0) },
        { ...ended, ...at(1), outcome: "Succeeded", durationMillis: 1000, outputBytes: 4 }
      ])
      assert.deepStrictEqual(of("tool-2"), [
        { ...began, ...at(0) },
        { _tag: "CallWaits", ...at(0) },
        { _tag: "CallGoesOn", ...at(3) },
        { ...ended, ...at(3), outcome: "Failed", durationMillis: 0, approvalMillis: 3000 }
      ])
      assert.deepStrictEqual(of("tool-3"), [
        { ...began, ...at(1), queuedMillis: 1000 },
        { _tag: "CallWaits", ...at(1) },
        {
          ...ended,
          ...at(5),
          outcome: "Interrupted",
          durationMillis: 0,
          approvalMillis: 4000,
          queuedMillis: 1000
        }
      ])
      assert.deepStrictEqual(of("tool-4"), [
        { ...began, ...at(3), queuedMillis: 3000 },
        { ...ended, ...at(5), outcome: "Interrupted", durationMillis: 2000, queuedMillis: 3000 }
      ])
      // Elsewhere, nothing is known of a call whose turn has not come.
      assert.deepStrictEqual(
        of("tool-5"),
        kind === "of a session"
          ? [{ ...ended, ...at(5), outcome: "NotStarted", durationMillis: 0, queuedMillis: 5000 }]
          : []
      )
      assert.notInclude(JSON.stringify(events), "secret")
      const last = events.slice(-2)
      assert.deepStrictEqual(last.map(({ _tag }) => _tag), ["Settled", "Closed"])
    })
  )

  test(
    "has a call wait until all who are asked have answered",
    Effect.gen(function*() {
      const [first, second] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const { cell, isolate, session, states } = yield* makeCell({
        limits: Limits.make({ maxWallTime: Duration.minutes(1) }),
        invokeTool: () =>
          Effect.andThen(
            Effect.all([waiting(Deferred.await(first)), waiting(Deferred.await(second))], { concurrency: 2 }),
            Effect.never
          )
      })
      yield* isolate.emit(calls("tool-1"))
      yield* settle
      yield* Deferred.succeed(first, undefined)
      yield* settle
      const [live] = yield* session.cells
      assert.deepStrictEqual(live?.awaitingApproval, [toolCallId("tool-1")])
      assert.deepStrictEqual(yield* states, ["AwaitingApproval"])
      // Nor does the time of the cell run meanwhile.
      yield* TestClock.adjust("1 hour")
      yield* Deferred.succeed(second, undefined)
      yield* settle
      assert.deepStrictEqual(yield* states, ["Running"])
      yield* TestClock.adjust("59 seconds")
      assert.lengthOf(yield* session.cells, 1)
      const observer = yield* Effect.forkChild(session.observe(cell), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* settle
      yield* TestClock.adjust("100 millis")
      yield* settle
      assert.deepInclude(yield* Fiber.join(observer), { _tag: "Completed" })
    })
  )

  test(
    "says of a call that goes on without an answer that it runs",
    Effect.gen(function*() {
      const { cell, isolate, session, states } = yield* makeCell({
        invokeTool: () => Effect.andThen(Effect.timeoutOption(waiting(Effect.never), "1 second"), Effect.never)
      })
      yield* isolate.emit(calls("tool-1"))
      yield* settle
      assert.deepStrictEqual(yield* states, ["AwaitingApproval"])
      yield* TestClock.adjust("1 second")
      yield* settle
      assert.deepStrictEqual(yield* states, ["Running"])
      assert.deepStrictEqual((yield* session.cells).map(({ awaitingApproval }) => awaitingApproval), [[]])
      yield* session.terminate(cell)
      assert.deepStrictEqual(yield* states, ["Interrupted"])
    })
  )

  test(
    "says of a call that was stopped before a person agreed to it that it has done nothing",
    Effect.gen(function*() {
      const { cell, isolate, session, states } = yield* makeCell({ invokeTool: (yield* asked).invokeTool })
      yield* isolate.emit(calls("tool-1"))
      yield* settle
      assert.deepStrictEqual(yield* states, ["AwaitingApproval"])
      yield* session.terminate(cell)
      assert.deepStrictEqual(yield* states, ["NotStarted"])
    })
  )

  test(
    "says of a call that was stopped while its tool asked a person that it may have done something",
    Effect.gen(function*() {
      const { cell, isolate, session, states } = yield* makeCell({
        invokeTool: () => Effect.timeoutOption(waiting(Effect.never), "1 day").pipe(Effect.as(null))
      })
      yield* isolate.emit(calls("tool-1"))
      yield* settle
      assert.deepStrictEqual(yield* states, ["AwaitingApproval"])
      yield* session.terminate(cell)
      assert.deepStrictEqual(yield* states, ["Interrupted"])
    })
  )

  test(
    "measures by a clock that nothing sets",
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      const { cell, isolate, session } = yield* Effect.provideService(
        makeCell({ invokeTool: () => Effect.as(Effect.sleep("5 seconds"), null) }),
        Clock.Clock,
        { ...clock, currentTimeMillisUnsafe: () => 0, currentTimeMillis: Effect.succeed(0) } as Clock.Clock
      )
      yield* isolate.emit(calls("tool-1"))
      yield* settle
      yield* TestClock.adjust("5 seconds")
      yield* settle
      const { calls: records } = yield* session.ledger(cell.id)
      assert.deepStrictEqual(records.map(({ durationMillis }) => durationMillis), [5000])
    })
  )

  test(
    "of a cell that has ended has no calls under way, whether or not its outcome was read",
    Effect.gen(function*() {
      const { cell, isolate, session, states } = yield* makeCell({
        invokeTool: () => Effect.uninterruptible(Effect.sleep("1 hour")).pipe(Effect.as(null))
      })
      const settled = yield* Effect.forkChild(
        Stream.runHead(Stream.filter(session.events, ({ _tag }) => _tag === "Settled")),
        {
          startImmediately: true
        }
      )
      yield* isolate.emit(calls("tool-1"))
      yield* settle
      yield* isolate.emit(finished())
      yield* settle
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(settled)
      assert.deepStrictEqual((yield* session.cells).map(({ status }) => status), ["Settled"])
      assert.deepStrictEqual(yield* states, ["Interrupted"])
      // What is abandoned ends some time, and changes nothing any more.
      yield* TestClock.adjust("1 hour")
      yield* settle
      assert.deepStrictEqual(yield* states, ["Interrupted"])
      assert.strictEqual((yield* session.observe(cell))._tag, "Completed")
      yield* settle
      assert.deepStrictEqual(yield* states, ["Interrupted"])
    })
  )

  test(
    "lists the last calls of a cell that has ended, and how many it leaves out",
    Effect.gen(function*() {
      const { cell, isolate, session, states } = yield* makeCell({ invokeTool: () => Effect.succeed(null) })
      yield* isolate.emit(calls(...Array.from({ length: 130 }, (_, index) => `tool-${index}`)))
      yield* settle
      assert.lengthOf(yield* states, 130)
      yield* isolate.emit(finished())
      yield* session.observe(cell)
      yield* settle
      const ledger = yield* session.ledger(cell.id)
      assert.deepStrictEqual([ledger.calls.length, ledger.calls[0]?.toolCallId, ledger.omitted], [128, "tool-2", 2])
    })
  )

  test(
    "says of a cell that never was that it never was",
    Effect.gen(function*() {
      const { cell, session, states } = yield* makeCell({ invokeTool: () => Effect.never })
      const unknown = CellId.make("99")
      const ask = [session.ledger(unknown), session.awaitSettled(unknown), session.cell(unknown)] as const
      for (const each of ask) {
        const missing = yield* Effect.flip<unknown, MissingCell | WrongCellKind, never>(each)
        assert.deepInclude(missing, { _tag: "MissingCell", finished: false })
      }
      assert.deepStrictEqual(yield* states, [])
      yield* session.terminate(cell)
      const shutdown = yield* Effect.forkChild(session.shutdown, { startImmediately: true })
      yield* settle
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(shutdown)
      for (const each of ask) {
        const missing = yield* Effect.flip<unknown, MissingCell | WrongCellKind, never>(each)
        assert.deepInclude(missing, { _tag: "MissingCell", finished: false })
      }
      assert.deepInclude(yield* Effect.flip(session.observe(cell)), { _tag: "MissingCell", finished: true })
    })
  )
})

describe("the ledger of a session whose host is lost", () => {
  it.effect("says what became of its calls", () =>
    Effect.gen(function*() {
      const { invokeTool } = yield* asked
      const { cut, session } = yield* PlayedHost.open({
        invokeTool: (call) =>
          call.toolCallId === "tool-1"
            ? Effect.succeed(1)
            : call.toolCallId === "tool-2"
            ? invokeTool(call)
            : Effect.never
      })
      const cell = yield* session.create(request())
      const isolate = yield* Effect.flatMap(Isolate.TestIsolates, ({ next }) => next)
      yield* isolate.emit(started, calls("tool-1", "tool-2", "tool-3"))
      yield* settle
      yield* cut("the host is gone")
      yield* settle
      const ledger = yield* session.ledger(cell.id)
      assert.deepStrictEqual(ledger.calls.map(({ state }) => state), ["Succeeded", "NotStarted", "Interrupted"])
    }).pipe(Effect.provide(Isolate.layerTest)))
})
