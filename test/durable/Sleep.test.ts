/** Cells that wait for long leave memory, and come back for what they wait for. The engine is played. */
import { assert, describe, it } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import * as Isolate from "effect-code-mode/Isolate"
import * as Runtime from "effect-code-mode/Runtime"
import * as Store from "effect-code-mode/Store"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { calls, finished, output, request, started, toolCallId, toolDefinition } from "../session/TestSession.ts"
import { textsOf } from "./Harness.ts"

const answers = new Map<string, Deferred.Deferred<string>>()

const answerOf = ({ cellId, toolCallId }: { readonly cellId: string; readonly toolCallId: string }) => {
  const key = `${cellId}/${toolCallId}`
  const known = answers.get(key) ?? Deferred.makeUnsafe<string>()
  answers.set(key, known)
  return known
}

const layer = (options?: Partial<Runtime.DurableOptions>) =>
  Layer.fresh(Runtime.layerDurable({ session: "s", lease: 0, idleAfter: "1 minute", ...options })).pipe(
    Layer.provide(Delegate.layer({
      tools: [toolDefinition("tool")],
      invokeTool: (call) => Deferred.await(answerOf(call))
    })),
    Layer.provideMerge(Layer.mergeAll(Layer.fresh(Isolate.layerTest), Layer.fresh(Store.layerMemory())))
  )

const frontier = (options: { readonly pending?: ReadonlyArray<string>; readonly due?: number } = {}) => ({
  _tag: "Frontier" as const,
  pendingToolCalls: (options.pending ?? []).map(toolCallId),
  timers: options.due === undefined ? 0 : 1,
  ...(options.due === undefined ? {} : { due: options.due })
})

/** Lets what was begun go on for as long as it can without time. */
const settle = Effect.forEach(Array.from({ length: 40 }), () => Effect.yieldNow, { discard: true })

const seedOf = ({ program }: Isolate.TestIsolate) => [program.deterministic?.seed, program.deterministic?.now]

const turnsOf = ({ program }: Isolate.TestIsolate) => program.deterministic?.turns

const tags = ({ commands }: Isolate.TestIsolate) => commands.map(({ _tag }) => _tag)

describe("the lease of a session", () => {
  it.effect("is renewed, and its owner hears where another one has taken the session over", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const store = yield* Store.Store
      yield* TestClock.adjust("10 minutes")
      const taken = yield* Effect.flip(store.claim("s", "another", "1 minute"))
      assert(taken._tag === "SessionTaken")
      assert.isTrue(yield* session.isAlive)
      yield* store.claim("s", "another", "1 minute", { insteadOf: taken.owner })
      yield* TestClock.adjust("5 seconds")
      yield* settle
      assert.isFalse(yield* session.isAlive)
      assert.strictEqual((yield* Effect.flip(session.create(request())))._tag, "ShuttingDown")
    }).pipe(Effect.provide(layer({ lease: "15 seconds" }))))
})

describe("a durable cell that waits", () => {
  it.effect("leaves memory, and comes back for its answer with what it had", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const isolates = yield* Isolate.TestIsolates
      const cell = yield* session.create(request())
      const first = yield* isolates.next
      yield* first.emit(started, output("a"), calls("tool-1", "tool-2"), frontier({ pending: ["tool-1", "tool-2"] }))
      yield* settle
      yield* TestClock.adjust("30 seconds")
      const answeredAt = yield* Clock.currentTimeMillis
      Deferred.doneUnsafe(answerOf({ cellId: cell.id, toolCallId: "tool-1" }), Effect.succeed("one"))
      yield* settle
      assert.deepStrictEqual(first.commands, [
        { _tag: "Resolve", id: toolCallId("tool-1"), json: "\"one\"" },
        { _tag: "Resume", turn: { now: answeredAt, timer: false } }
      ])
      yield* first.emit(output("b"), frontier({ pending: ["tool-2"] }))
      yield* settle
      yield* TestClock.adjust("59 seconds")
      assert.notInclude(tags(first), "Stop")
      yield* TestClock.adjust("1 seconds")
      yield* settle
      assert.include(tags(first), "Stop")
      assert.strictEqual((yield* session.cells)[0]?.status, "Running")

      yield* TestClock.adjust("1 days")
      Deferred.doneUnsafe(answerOf({ cellId: cell.id, toolCallId: "tool-2" }), Effect.succeed("two"))
      const second = yield* isolates.next
      assert.deepStrictEqual(seedOf(second), seedOf(first))
      assert.deepStrictEqual([turnsOf(first), turnsOf(second)], [[], [
        { now: answeredAt, timer: false, answers: [[toolCallId("tool-1"), true, "\"one\""]] }
      ]])
      yield* second.emit(started, output("a"), calls("tool-1", "tool-2"), frontier({ pending: ["tool-1", "tool-2"] }))
      yield* settle
      assert.deepStrictEqual(second.commands, [])
      yield* second.emit(output("b"), frontier({ pending: ["tool-2"] }))
      yield* settle
      assert.deepStrictEqual(second.commands, [
        { _tag: "Resolve", id: toolCallId("tool-2"), json: "\"two\"" },
        { _tag: "Resume", turn: { now: yield* Clock.currentTimeMillis, timer: false } }
      ])
      yield* second.emit(output("c"), finished())
      assert.deepStrictEqual(textsOf(yield* session.observe(cell)), ["a", "b", "c"])
    }).pipe(Effect.provide(layer())))

  it.effect("comes back for its timer, at its time", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const isolates = yield* Isolate.TestIsolates
      const hour = 3_600_000
      const cell = yield* session.create(request())
      const first = yield* isolates.next
      const due = (yield* Clock.currentTimeMillis) + hour
      yield* first.emit(started, frontier({ due }))
      yield* settle
      yield* TestClock.adjust("2 minutes")
      yield* settle
      assert.deepStrictEqual(tags(first), ["Stop"])
      const next = yield* Effect.forkChild(isolates.next)
      yield* TestClock.adjust("57 minutes")
      yield* settle
      assert.isUndefined(next.pollUnsafe())
      yield* TestClock.adjust("1 minutes")
      const second = yield* Fiber.join(next)
      yield* second.emit(started, frontier({ due }))
      yield* settle
      assert.deepStrictEqual(second.commands, [{ _tag: "Resume", turn: { now: due, timer: true } }])
      yield* second.emit(finished())
      assert.strictEqual((yield* session.observe(cell))._tag, "Completed")
    }).pipe(Effect.provide(layer())))

  it.effect("comes back at its own time among others, and not when it was ended", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const isolates = yield* Isolate.TestIsolates
      const began = yield* Clock.currentTimeMillis
      const minutes = [30, 10, 20, 20, 40]
      const cells = yield* Effect.forEach(minutes, (minute) =>
        Effect.gen(function*() {
          const cell = yield* session.create(request({ source: String(minute) }))
          const isolate = yield* isolates.next
          yield* isolate.emit(started, frontier({ due: began + minute * 60_000 }))
          yield* settle
          return cell
        }))
      yield* TestClock.adjust("1 minutes")
      yield* settle
      yield* session.terminate(cells[2]!)
      const back: Array<readonly [number, string]> = []
      yield* Effect.forkChild(Effect.forever(Effect.flatMap(isolates.next, ({ program }) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          back.push([(now - began) / 60_000, program.source])
        }))))
      for (let minute = 2; minute <= 45; minute++) {
        yield* TestClock.adjust("1 minutes")
        yield* settle
      }
      assert.deepStrictEqual(back, [[10, "10"], [20, "20"], [30, "30"], [40, "40"]])
    }).pipe(Effect.provide(layer())))

  it.effect("makes room for others, the one that waits longest first", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const isolates = yield* Isolate.TestIsolates
      const start = Effect.gen(function*() {
        yield* session.create(request())
        const isolate = yield* isolates.next
        yield* isolate.emit(started, calls("tool-1"), frontier({ pending: ["tool-1"] }))
        yield* settle
        return isolate
      })
      const [one, two, three] = [yield* start, yield* start, yield* start]
      assert.deepStrictEqual([tags(one), tags(two), tags(three)], [["Stop"], [], []])
    }).pipe(Effect.provide(layer({ maxIdleInMemory: 2 }))))

  it.effect("is started again when its isolate is lost, and given up when that happens again and again", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const isolates = yield* Isolate.TestIsolates
      const cell = yield* session.create(request())
      const first = yield* isolates.next
      yield* first.emit(started, output("a"))
      yield* settle
      yield* first.end
      const second = yield* isolates.next
      // The output comes in other pieces.
      yield* second.emit(started, output("a", "b"))
      yield* settle
      for (let times = 0; times < 2; times++) {
        const next = times === 0 ? second : yield* isolates.next
        yield* next.end
      }
      yield* (yield* isolates.next).end
      const event = yield* session.observe(cell)
      assert.deepStrictEqual(textsOf(event), ["a", "b"])
      assert.strictEqual(event._tag === "Completed" && event.error?._tag, "IsolateLost")
    }).pipe(Effect.provide(layer())))

  it.effect("that does something else than before has diverged", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const isolates = yield* Isolate.TestIsolates
      const said: Array<string | undefined> = []
      const trials: ReadonlyArray<ReadonlyArray<Isolate.IsolateEvent>> = [
        [output("other")],
        [calls("tool-1")],
        [output("a"), finished()],
        [output("a"), frontier({ pending: ["tool-1"] })],
        [output("a"), calls("tool-1"), output("more")],
        [output("a"), calls("tool-1"), frontier({ pending: ["tool-1"], due: 5 })]
      ]
      for (const trial of trials) {
        const cell = yield* session.create(request())
        const first = yield* isolates.next
        yield* first.emit(started, output("a"), calls("tool-1"), frontier({ pending: ["tool-1"] }))
        yield* settle
        yield* TestClock.adjust("1 minutes")
        yield* settle
        Deferred.doneUnsafe(answerOf({ cellId: cell.id, toolCallId: "tool-1" }), Effect.succeed("one"))
        const second = yield* isolates.next
        yield* second.emit(started, ...trial)
        const event = yield* session.observe(cell)
        assert(event._tag === "Completed")
        assert.strictEqual(event.error?._tag, "Diverged")
        assert.deepStrictEqual(textsOf(event), ["a"])
        assert.include(tags(second), "Stop")
        said.push(event.error?.text.replace(/^.*cannot go on: /, ""))
      }
      assert.deepStrictEqual(said, [
        "output is different (step 0)",
        "there is the call tool-1 where there was output (step 0)",
        "there is the end of the script where there was the call tool-1 (step 1)",
        "there is a wait where there was the call tool-1 (step 1)",
        "there is output where there was a wait (step 2)",
        "a wait is different (step 2)"
      ])
    }).pipe(Effect.provide(layer())))
})
