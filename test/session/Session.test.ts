import { assert, describe, it } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import * as Isolate from "effect-code-mode/Isolate"
import * as Protocol from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as EndedIsolate from "effect-code-mode/session/EndedIsolate"
import * as Meter from "effect-code-mode/telemetry/Meter"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import {
  calls,
  finished,
  frontier,
  layer,
  makeCell,
  notify,
  output,
  request,
  started,
  texts,
  toolCallId,
  yieldRequested
} from "./TestSession.ts"

const deaf = Effect.uninterruptible(Effect.never)

/** Runs an effect in the background until it waits for something. */
const background = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const isPending = (fiber: Fiber.Fiber<unknown, unknown>) => fiber.pollUnsafe() === undefined

describe("observation", () => {
  it.effect("keeps what a cell does until somebody observes it", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      yield* isolate.emit(output("a", "b"), finished())
      const event = yield* session.observe(cell)
      assert.strictEqual(event._tag, "Completed")
      assert.deepStrictEqual(texts(event), ["a", "b"])
      const missing = yield* Effect.flip(session.observe(cell))
      assert.deepInclude(missing, { _tag: "MissingCell", finished: true, message: "exec cell 1 not found" })
    }).pipe(Effect.provide(layer())))

  it.effect("yields when the time is over, and not a millisecond earlier", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      const observer = yield* background(session.observe(cell, { yieldAfter: "10 seconds" }))
      yield* isolate.emit(output("a"))
      yield* TestClock.adjust(9999)
      assert.isTrue(isPending(observer))
      yield* TestClock.adjust(1)
      const event = yield* Fiber.join(observer)
      assert.strictEqual(event._tag, "Yielded")
      assert.deepStrictEqual(texts(event), ["a"])
    }).pipe(Effect.provide(layer())))

  it.effect("does not count the time before the script starts", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const isolates = yield* Isolate.TestIsolates
      const cell = yield* session.create(request())
      const isolate = yield* isolates.next
      const observer = yield* background(session.observe(cell, { yieldAfter: "1 second" }))
      yield* TestClock.adjust("1 minute")
      yield* isolate.emit(started)
      yield* TestClock.adjust(999)
      assert.isTrue(isPending(observer))
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(observer))._tag, "Yielded")
    }).pipe(Effect.provide(layer())))

  it.effect("a yield time of zero gives no item that was put out together with the start", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const isolates = yield* Isolate.TestIsolates
      const { cell, initial } = yield* session.execute(request(), { yieldAfter: 0 })
      const isolate = yield* isolates.next
      const observer = yield* background(initial)
      yield* isolate.emit(started, output("queued output"))
      assert.deepStrictEqual(texts(yield* Fiber.join(observer)), [])
      const outcome = yield* session.terminate(cell)
      assert.strictEqual(outcome._tag, "Terminated")
      assert.deepStrictEqual(texts(outcome), ["queued output"])
    }).pipe(Effect.provide(layer())))

  it.effect("yields at yield_control, with what there is", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      const observer = yield* background(session.observe(cell))
      yield* isolate.emit(output("before"), yieldRequested, output("after"), finished())
      assert.deepStrictEqual(texts(yield* Fiber.join(observer)), ["before"])
      assert.deepStrictEqual(texts(yield* session.observe(cell)), ["after"])
    }).pipe(Effect.provide(layer())))

  it.effect("a yield before the first observation is where that observation ends", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      yield* isolate.emit(output("before"), yieldRequested, output("after"), finished())
      const first = yield* session.observe(cell)
      assert.deepStrictEqual([first._tag, ...texts(first)], ["Yielded", "before"])
      const second = yield* session.observe(cell)
      assert.deepStrictEqual([second._tag, ...texts(second)], ["Completed", "after"])
    }).pipe(Effect.provide(layer())))

  it.effect("refuses a second observer and does not disturb the first", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      const first = yield* background(session.observe(cell))
      const busy = yield* Effect.flip(session.observe(cell))
      assert.strictEqual(busy.message, "exec cell 1 already has an active observer")
      yield* isolate.emit(output("x"), finished())
      assert.deepStrictEqual(texts(yield* Fiber.join(first)), ["x"])
    }).pipe(Effect.provide(layer())))

  it.effect("loses nothing when an observer goes away", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      const lost = yield* background(session.observe(cell, { yieldAfter: "1 second" }))
      yield* isolate.emit(output("a"))
      yield* Fiber.interrupt(lost)
      yield* isolate.emit(output("b"))
      yield* TestClock.adjust("2 seconds")
      yield* isolate.emit(finished())
      assert.deepStrictEqual(texts(yield* session.observe(cell)), ["a", "b"])
    }).pipe(Effect.provide(layer())))

  it.effect("an observation under a key outlives its caller", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      const observe = session.observe(cell, { idempotencyKey: "k" })
      const lost = yield* background(observe)
      yield* Fiber.interrupt(lost)
      yield* isolate.emit(output("a"), finished())
      assert.deepStrictEqual(texts(yield* observe), ["a"])
      assert.deepStrictEqual(texts(yield* observe), ["a"])
      const conflict = yield* Effect.flip(session.observe(cell, { idempotencyKey: "k", yieldAfter: 5 }))
      assert.strictEqual(conflict._tag, "IdempotencyConflict")
    }).pipe(Effect.provide(layer())))
})

describe("a cell that can never go on", () => {
  const stall = [output("a"), frontier()]

  it.effect("tells the observer that waits without a bound", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      const observer = yield* background(session.observe(cell))
      yield* isolate.emit(...stall)
      const event = yield* Fiber.join(observer)
      assert.deepInclude(event, { _tag: "Yielded", stalled: true })
      assert.deepStrictEqual(texts(event), ["a"])
    }).pipe(Effect.provide(layer())))

  it.effect("tells one that comes later, each time", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      yield* isolate.emit(...stall)
      const events = yield* Effect.all([session.observe(cell), session.observe(cell)])
      assert.deepStrictEqual(events.map((event) => [event._tag, ...texts(event)]), [["Yielded", "a"], ["Yielded"]])
      assert.strictEqual((yield* session.terminate(cell))._tag, "Terminated")
    }).pipe(Effect.provide(layer())))

  it.effect("lets one wait for as long as it asked", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      const observer = yield* background(session.observe(cell, { yieldAfter: "1 second" }))
      yield* isolate.emit(...stall)
      yield* TestClock.adjust(999)
      assert.isTrue(isPending(observer))
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* Fiber.join(observer), { _tag: "Yielded", stalled: true })
    }).pipe(Effect.provide(layer())))

  it.effect("is none while a call runs", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      const observer = yield* background(session.observe(cell))
      yield* isolate.emit(calls("tool-1"), frontier("tool-1"))
      assert.isTrue(isPending(observer))
    }).pipe(Effect.provide(layer())))
})

describe("outcomes", () => {
  it.effect("a script's error is an outcome", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      yield* isolate.emit(output("a"), finished({ error: "Error: boom" }))
      const event = yield* session.observe(cell)
      assert.deepInclude(event, { _tag: "Completed", error: { _tag: "ScriptError", text: "Error: boom" } })
    }).pipe(Effect.provide(layer())))

  it.effect("a lost isolate is an outcome, and its values are not kept", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      yield* isolate.emit(output("a"))
      yield* isolate.end
      const event = yield* session.observe(cell)
      assert.deepInclude(event, {
        _tag: "Completed",
        error: { _tag: "IsolateLost", text: "exec runtime ended unexpectedly" }
      })
      assert.deepStrictEqual(texts(event), ["a"])
    }).pipe(Effect.provide(layer())))

  it.effect("an attached observer and the terminator hear the same", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      const observer = yield* background(session.observe(cell))
      yield* isolate.emit(output("a"))
      const outcome = yield* session.terminate(cell)
      assert.deepStrictEqual(yield* Fiber.join(observer), outcome)
      assert.deepStrictEqual([outcome._tag, ...texts(outcome)], ["Terminated", "a"])
      assert.deepInclude(isolate.commands, { _tag: "Stop" })
    }).pipe(Effect.provide(layer())))

  it.effect("a completion that is there wins over terminate", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      yield* isolate.emit(output("a"), finished())
      assert.strictEqual((yield* session.terminate(cell))._tag, "Completed")
      assert.strictEqual((yield* Effect.flip(session.terminate(cell)))._tag, "MissingCell")
    }).pipe(Effect.provide(layer())))

  it.effect("an observer of a cell that terminates hears that, and no yield before it", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      yield* isolate.emit(calls("tool-1"))
      const observer = yield* background(session.observe(cell, { yieldAfter: 50 }))
      yield* background(session.terminate(cell))
      yield* TestClock.adjust(99)
      assert.isTrue(isPending(observer))
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(observer))._tag, "Terminated")
    }).pipe(Effect.provide(layer({ invokeTool: () => deaf }))))

  it.effect("the outcome of a terminate whose caller went away is kept", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      yield* isolate.emit(output("a"), calls("tool-1"))
      const terminator = yield* background(session.terminate(cell))
      assert.strictEqual((yield* Effect.flip(session.terminate(cell)))._tag, "AlreadyTerminating")
      yield* Fiber.interrupt(terminator)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(texts(yield* session.observe(cell)), ["a"])
    }).pipe(Effect.provide(layer({ invokeTool: () => deaf }))))
})

describe("stored values", () => {
  it.effect("are a snapshot at admission and are merged by key at completion", () =>
    Effect.gen(function*() {
      const { cell: a, isolate: first, session } = yield* makeCell
      const { cell: b, isolate: second } = yield* makeCell
      yield* first.emit(finished({ stored: [["x", "1"], ["y", "1"]] }))
      yield* session.observe(a)
      const { isolate: third } = yield* makeCell
      assert.deepStrictEqual(Object.fromEntries(third.program.stored), { x: "1", y: "1" })
      yield* second.emit(finished({ stored: [["y", "2"]], error: "kept all the same" }))
      yield* session.observe(b)
      const { isolate: fourth } = yield* makeCell
      assert.deepStrictEqual(Object.fromEntries(fourth.program.stored), { x: "1", y: "2" })
      assert.deepStrictEqual(Object.fromEntries(third.program.stored), { x: "1", y: "1" })
    }).pipe(Effect.provide(layer())))

  it.effect("of a terminated cell are never seen", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      yield* isolate.emit(notify("n"), finished({ stored: [["candidate", "1"]] }))
      const terminator = yield* background(session.terminate(cell))
      yield* TestClock.adjust(100)
      assert.strictEqual((yield* Fiber.join(terminator))._tag, "Terminated")
      const { isolate: next } = yield* makeCell
      assert.strictEqual(next.program.stored.size, 0)
    }).pipe(Effect.provide(layer({ notify: () => deaf }))))

  it.effect("can be given to a session, and taken from it", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      assert.deepStrictEqual(Array.from(isolate.program.stored), [["a", "{\"b\":1}"]])
      yield* isolate.emit(finished({ stored: [["__proto__", "2"]] }))
      yield* session.observe(cell)
      assert.deepStrictEqual(Object.entries(yield* session.storedValues), [["a", { b: 1 }], ["__proto__", 2]])
    }).pipe(Effect.provide(layer({ storedValues: { a: { b: 1 } } }))))

  it.effect("past the bound fail the cell that brings them", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      yield* isolate.emit(finished({ stored: [["key", "\"0123456789\""]] }))
      const event = yield* session.observe(cell)
      assert.strictEqual(event._tag === "Completed" && event.error?._tag, "LimitExceeded")
      const { isolate: next } = yield* makeCell
      assert.strictEqual(next.program.stored.size, 0)
    }).pipe(Effect.provide(layer({ limits: Protocol.Limits.make({ maxStoredBytes: 10 }) }))))
})

describe("callbacks", () => {
  it.effect("settle the script's calls", () =>
    Effect.gen(function*() {
      const { isolate } = yield* makeCell
      yield* isolate.emit(calls("tool-1", "tool-2", "tool-3"))
      assert.deepStrictEqual(isolate.commands, [
        { _tag: "Resolve", id: toolCallId("tool-1"), json: "{\"id\":\"tool-1\"}" },
        { _tag: "Reject", id: toolCallId("tool-2"), text: "no" },
        { _tag: "Reject", id: toolCallId("tool-3"), text: "code mode tool task panicked" }
      ])
    }).pipe(Effect.provide(layer({
      invokeTool: (call) =>
        call.toolCallId === "tool-1"
          ? Effect.succeed({ id: call.toolCallId })
          : call.toolCallId === "tool-2"
          ? Effect.fail(new Protocol.ToolError({ text: "no" }))
          : Effect.die("a bug of the tool")
    }))))

  it.effect("cooperative ones make terminate wait for nothing", () =>
    Effect.gen(function*() {
      let interrupted = 0
      const tool = Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
      yield* Effect.gen(function*() {
        const { cell, isolate, session } = yield* makeCell
        yield* isolate.emit(calls(...Array.from({ length: 1000 }, (_, index) => `tool-${index}`)))
        assert.strictEqual((yield* session.terminate(cell))._tag, "Terminated")
        assert.strictEqual(interrupted, 1000)
      }).pipe(Effect.provide(layer({ invokeTool: () => tool })))
    }))

  it.effect("deaf ones hold terminate up for 100 ms, tools and notifications together", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      yield* isolate.emit(calls("tool-1", "tool-2"), notify("a"), notify("b"))
      const terminator = yield* background(session.terminate(cell))
      yield* TestClock.adjust(99)
      assert.isTrue(isPending(terminator))
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(terminator))._tag, "Terminated")
    }).pipe(Effect.provide(layer({ invokeTool: () => deaf, notify: () => deaf }))))

  it.effect("a termination in the middle of the drain has one grace from then", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      yield* isolate.emit(calls("tool-1"), notify("a"), output("x"), finished())
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* session.cells)[0]?.status, "Running")
      const terminator = yield* background(session.terminate(cell))
      yield* TestClock.adjust(99)
      assert.isTrue(isPending(terminator))
      yield* TestClock.adjust(1)
      const outcome = yield* Fiber.join(terminator)
      assert.deepStrictEqual([outcome._tag, ...texts(outcome)], ["Terminated", "x"])
    }).pipe(Effect.provide(layer({ invokeTool: () => deaf, notify: () => deaf }))))

  it.effect("notifications are delivered before a completion is told, unawaited tools are not waited for", () =>
    Effect.gen(function*() {
      const delivered = yield* Deferred.make<void>()
      let cancelled = false
      yield* Effect.gen(function*() {
        const { cell, isolate, session } = yield* makeCell
        const observer = yield* background(session.observe(cell))
        yield* isolate.emit(notify("n"), calls("tool-1"), finished())
        assert.isTrue(cancelled)
        yield* TestClock.adjust("30 seconds")
        assert.isTrue(isPending(observer))
        yield* Deferred.succeed(delivered, undefined)
        assert.strictEqual((yield* Fiber.join(observer))._tag, "Completed")
      }).pipe(Effect.provide(layer({
        notify: () => Deferred.await(delivered),
        invokeTool: () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => cancelled = true))
      })))
    }))

  it.effect("a deaf tool that nobody awaits holds a completion up for 100 ms, beside the notifications", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      const observer = yield* background(session.observe(cell))
      yield* isolate.emit(calls("tool-1"), notify("n"), output("done"), finished())
      yield* TestClock.adjust(99)
      assert.isTrue(isPending(observer))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(texts(yield* Fiber.join(observer)), ["done"])
    }).pipe(Effect.provide(layer({
      invokeTool: () => deaf,
      notify: () => Effect.sleep(100)
    }))))

  it.effect("abandoned ones are counted, and logged once by the tool's name", () => {
    const logged: Array<unknown> = []
    const logger = Logger.layer([Logger.make(({ logLevel, message }) => {
      logged.push([logLevel, message])
    })])
    return Effect.gen(function*() {
      const before = (yield* Metric.value(Meter.callbacksAbandoned)).count
      yield* Effect.gen(function*() {
        const { cell, isolate, session } = yield* makeCell
        yield* isolate.emit(calls("tool-1", "tool-2"), notify("n"))
        const terminator = yield* background(session.terminate(cell))
        yield* TestClock.adjust(100)
        yield* Fiber.join(terminator)
      }).pipe(Effect.provide(layer({ invokeTool: () => deaf, notify: () => deaf })))
      assert.strictEqual((yield* Metric.value(Meter.callbacksAbandoned)).count - before, 3)
      assert.deepStrictEqual(logged, [
        ["Warn", ["code mode callbacks ignored their cancellation and were abandoned", { tool: 2, notify: 1 }]]
      ])
    }).pipe(Effect.provide(logger))
  })

  it.effect("an abandoned one can touch nothing", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<null>()
      yield* Effect.gen(function*() {
        const { cell, isolate, session } = yield* makeCell
        yield* isolate.emit(calls("tool-1"))
        const terminator = yield* background(session.terminate(cell))
        yield* TestClock.adjust(100)
        yield* Fiber.join(terminator)
        yield* Deferred.succeed(gate, null)
        assert.deepStrictEqual(isolate.commands, [{ _tag: "Stop" }])
      }).pipe(Effect.provide(layer({ invokeTool: () => Effect.uninterruptible(Deferred.await(gate)) })))
    }))

  it.effect("have a scope of their own", () =>
    Effect.gen(function*() {
      let released = false
      yield* Effect.gen(function*() {
        const { isolate } = yield* makeCell
        yield* isolate.emit(calls("tool-1"))
        assert.isTrue(released)
      }).pipe(Effect.provide(layer({
        invokeTool: () =>
          Effect.as(
            Effect.addFinalizer(() => Effect.sync(() => released = true)),
            null
          ) as Effect.Effect<null>
      })))
    }))

  it.effect("those that still wait for their turn are never started by a termination", () =>
    Effect.gen(function*() {
      let started = 0
      yield* Effect.gen(function*() {
        const { cell, isolate, session } = yield* makeCell
        yield* isolate.emit(calls("tool-1", "tool-2", "tool-3", "tool-4"))
        yield* session.terminate(cell)
        assert.strictEqual(started, 2)
      }).pipe(Effect.provide(layer({
        limits: Protocol.Limits.make({ maxToolCallsInFlight: 2 }),
        invokeTool: () => Effect.andThen(Effect.sync(() => started++), Effect.never)
      })))
    }))

  it.effect("a notification that is never delivered is given up after its bound", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      const observer = yield* background(session.observe(cell))
      yield* isolate.emit(notify("n"), finished())
      yield* TestClock.adjust(59_999)
      assert.isTrue(isPending(observer))
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(observer))._tag, "Completed")
    }).pipe(Effect.provide(layer({ notify: () => deaf }))))

  it.effect("the yield deadline fires while notifications drain", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      const observer = yield* background(session.observe(cell, { yieldAfter: "1 second" }))
      yield* isolate.emit(output("a"), notify("n"), finished())
      yield* TestClock.adjust("1 second")
      const event = yield* Fiber.join(observer)
      assert.deepStrictEqual([event._tag, ...texts(event)], ["Yielded", "a"])
      const terminator = yield* background(session.terminate(cell))
      yield* TestClock.adjust(100)
      yield* Fiber.join(terminator)
    }).pipe(Effect.provide(layer({ notify: () => deaf }))))

  it.effect("a callback that ends its own cell while it starts is cancelled like any other", () =>
    Effect.gen(function*() {
      let terminate: Effect.Effect<unknown> = Effect.void
      let cancelled = false
      yield* Effect.gen(function*() {
        const { cell, isolate, session } = yield* makeCell
        const observer = yield* background(session.observe(cell))
        terminate = Effect.forkDetach(session.terminate(cell), { startImmediately: true })
        yield* isolate.emit(calls("tool-1"))
        assert.strictEqual((yield* Fiber.join(observer))._tag, "Terminated")
        assert.isTrue(cancelled)
      }).pipe(Effect.provide(layer({
        invokeTool: () =>
          Effect.onInterrupt(
            Effect.andThen(Effect.suspend(() => terminate), Effect.never),
            () => Effect.sync(() => cancelled = true)
          )
      })))
    }))

  it.effect("more than may run at once wait for their turn", () =>
    Effect.gen(function*() {
      const gates = new Map<string, Deferred.Deferred<null>>()
      yield* Effect.gen(function*() {
        const { isolate } = yield* makeCell
        yield* isolate.emit(calls("tool-1", "tool-2", "tool-3"))
        assert.deepStrictEqual(Array.from(gates.keys()), ["tool-1", "tool-2"])
        yield* Deferred.succeed(gates.get("tool-1")!, null)
        assert.deepStrictEqual(Array.from(gates.keys()), ["tool-1", "tool-2", "tool-3"])
      }).pipe(Effect.provide(layer({
        limits: Protocol.Limits.make({ maxToolCallsInFlight: 2 }),
        invokeTool: (call) => {
          const gate = Deferred.makeUnsafe<null>()
          gates.set(call.toolCallId, gate)
          return Deferred.await(gate)
        }
      })))
    }))
})

describe("the context of a tool call", () => {
  class Mark extends Context.Reference<string>("test/Mark", { defaultValue: () => "none" }) {}

  it.effect("is that of the caller who made the cell", () =>
    Effect.gen(function*() {
      const seen = yield* Deferred.make<readonly [string, string, Readonly<Record<string, unknown>>]>()
      const invokeTool = () =>
        Effect.gen(function*() {
          const { name } = yield* Effect.orDie(Effect.currentParentSpan).pipe(
            Effect.map((span) => span._tag === "Span" ? span : { name: "external" })
          )
          yield* Deferred.succeed(seen, [name, yield* Mark, yield* References.CurrentLogAnnotations])
          return null
        })
      yield* Effect.gen(function*() {
        const { isolate } = yield* makeCell.pipe(
          Effect.withSpan("the caller"),
          Effect.annotateLogs("request", "r-1"),
          Effect.provideService(Mark, "marked")
        )
        yield* isolate.emit(calls("tool-1"))
        assert.deepStrictEqual(yield* Deferred.await(seen), ["the caller", "marked", {
          request: "r-1",
          sessionId: "s-1",
          cellId: "1",
          callId: "call-1",
          toolCallId: "tool-1"
        }])
      }).pipe(Effect.provide(layer({ invokeTool, sessionId: "s-1" })))
    }))
})

describe("shutdown", () => {
  it.effect("takes one grace for all cells, and is the same for every caller", () =>
    Effect.gen(function*() {
      const made = yield* Effect.all(Array.from({ length: 10 }, () => makeCell))
      const session = yield* Runtime.SessionRuntime
      for (const { isolate } of made) {
        yield* isolate.emit(calls("tool-1"), notify("n"), output("x"))
      }
      const observer = yield* background(session.observe(made[0]!.cell))
      const first = yield* background(session.shutdown)
      assert.isFalse(yield* session.isAlive)
      assert.strictEqual((yield* Effect.flip(session.create(request())))._tag, "ShuttingDown")
      yield* TestClock.adjust(50)
      const second = yield* background(session.shutdown)
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust(49)
      assert.isTrue(isPending(second))
      yield* TestClock.adjust(1)
      yield* Fiber.join(second)
      assert.deepStrictEqual(texts(yield* Fiber.join(observer)), ["x"])
      assert.deepStrictEqual(yield* session.cells, [])
    }).pipe(Effect.provide(layer({ invokeTool: () => deaf, notify: () => deaf }))))

  it.effect("ten sessions whose scopes close together take one grace", () =>
    Effect.gen(function*() {
      const host = yield* Scope.make("parallel")
      for (let index = 0; index < 10; index++) {
        const scope = yield* Scope.fork(host)
        const context = yield* Layer.buildWithScope(Layer.fresh(layer({ invokeTool: () => deaf })), scope)
        const { isolate } = yield* Effect.provideContext(makeCell, context)
        yield* isolate.emit(calls("tool-1"))
      }
      const closing = yield* background(Scope.close(host, Exit.void))
      yield* TestClock.adjust(99)
      assert.isTrue(isPending(closing))
      yield* TestClock.adjust(1)
      yield* Fiber.join(closing)
    }))

  it.live("closing the scope of a session with a thousand callbacks, half of them deaf, takes one grace", () =>
    Effect.gen(function*() {
      let ended = 0
      const closed = Effect.gen(function*() {
        const { isolate } = yield* makeCell
        yield* isolate.emit(calls(...Array.from({ length: 1000 }, (_, index) => `tool-${index}`)))
      }).pipe(Effect.provide(layer({
        invokeTool: (call) =>
          Number(call.toolCallId.slice(5)) % 2 === 0
            ? deaf
            : Effect.onInterrupt(Effect.never, () => Effect.sync(() => ended++))
      })))
      const exit = yield* Effect.exit(Effect.timeout(closed, "5 seconds"))
      assert.isTrue(Exit.isSuccess(exit))
      assert.strictEqual(ended, 500)
    }))
})

describe("an interrupted caller", () => {
  it.effect("of create leaves no half-made cell", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const stopped = yield* Deferred.make<void>()
      const engine = Layer.succeed(
        Isolate.Isolate,
        Isolate.Isolate.of({
          lease: Effect.succeed({
            start: () =>
              Effect.onInterrupt(Effect.andThen(Deferred.await(gate), Effect.never), () =>
                Deferred.succeed(stopped, undefined))
          })
        })
      )
      yield* Effect.gen(function*() {
        const session = yield* Runtime.SessionRuntime
        const creation = yield* background(session.create(request()))
        yield* Fiber.interrupt(creation)
        yield* Deferred.await(stopped)
        assert.deepStrictEqual(yield* session.cells, [])
        yield* session.shutdown
      }).pipe(Effect.provide(Runtime.layer().pipe(Layer.provide([Delegate.layerNoop, engine]))))
    }))

  it.effect("of shutdown does not stop it", () =>
    Effect.gen(function*() {
      const { isolate, session } = yield* makeCell
      yield* isolate.emit(calls("tool-1"))
      const first = yield* background(session.shutdown)
      yield* Fiber.interrupt(first)
      const second = yield* background(session.shutdown)
      yield* TestClock.adjust(100)
      yield* Fiber.join(second)
      assert.deepStrictEqual(yield* session.cells, [])
    }).pipe(Effect.provide(layer({ invokeTool: () => deaf }))))

  it.effect("of terminate does not bring the cell back", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      const observer = yield* background(session.observe(cell))
      yield* isolate.emit(calls("tool-1"))
      const terminator = yield* background(session.terminate(cell))
      yield* Fiber.interrupt(terminator)
      yield* TestClock.adjust(100)
      assert.strictEqual((yield* Fiber.join(observer))._tag, "Terminated")
    }).pipe(Effect.provide(layer({ invokeTool: () => deaf }))))
})

describe("bounds", () => {
  it.effect("of live cells and of source refuse the request and nothing else", () =>
    Effect.gen(function*() {
      const { cell, session } = yield* makeCell
      assert.strictEqual((yield* Effect.flip(session.create(request())))._tag, "CapacityExceeded")
      yield* session.terminate(cell)
      const long = yield* Effect.flip(session.create(request({ source: "x".repeat(11) })))
      assert.strictEqual(long.message, "the source is longer than 10 bytes")
      yield* session.create(request())
    }).pipe(Effect.provide(layer({ limits: Protocol.Limits.make({ maxLiveCells: 1, maxSourceBytes: 10 }) }))))

  it.effect("of unread output is waited at, where a session does so", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      const held = () => isolate.commands.flatMap((command) => command._tag === "Hold" ? [command.isHeld] : [])
      const some = "x".repeat(600)
      yield* isolate.emit(output(some))
      assert.deepStrictEqual(held(), [])
      yield* isolate.emit(output(some))
      assert.deepStrictEqual(held(), [true])
      // What it had said by then still counts.
      yield* isolate.emit(output("last"))
      const first = yield* session.observe(cell)
      assert.strictEqual(first._tag, "Yielded")
      assert.deepStrictEqual(texts(first), [some, some, "last"])
      assert.deepStrictEqual(held(), [true, false])

      // One that waits hears at once what there is, however long it would wait.
      const observer = yield* background(session.observe(cell, { yieldAfter: "1 hour" }))
      yield* isolate.emit(output(some))
      assert.isTrue(isPending(observer))
      yield* isolate.emit(output(some))
      assert.deepStrictEqual(texts(yield* Fiber.join(observer)), [some, some])
      assert.deepStrictEqual(held(), [true, false, true, false])

      yield* isolate.emit(output(some, some), finished())
      assert.strictEqual((yield* session.observe(cell))._tag, "Completed")
    }).pipe(Effect.provide(layer({ unreadOutput: "wait", limits: { maxUndeliveredOutputBytes: 2048 } }))))

  it.effect("of unread output still ends a cell that waits for its reader and says more than that at once", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      yield* isolate.emit(output("x".repeat(3000)))
      const event = yield* session.observe(cell)
      assert.strictEqual(event._tag === "Completed" && event.error?._tag, "LimitExceeded")
    }).pipe(Effect.provide(layer({ unreadOutput: "wait", limits: { maxUndeliveredOutputBytes: 2048 } }))))

  it.effect("of unread output and of callbacks end the cell with a text that says so", () =>
    Effect.gen(function*() {
      const { cell: loud, isolate: one, session } = yield* makeCell
      yield* one.emit(output("x".repeat(1000)), output("y"))
      const event = yield* session.observe(loud)
      assert(event._tag === "Completed")
      assert.strictEqual(event.error?.text, "the cell has put out more than 1000 bytes that were not read")
      const { cell: busy, isolate: two } = yield* makeCell
      yield* two.emit(calls("tool-1", "tool-2", "tool-3"))
      const other = yield* session.observe(busy)
      assert(other._tag === "Completed")
      assert.strictEqual(other.error?.text, "the cell has more than 2 tool calls and notifications outstanding")
      assert.deepInclude(two.commands, { _tag: "Stop" })
      const { cell: chatty, isolate: three } = yield* makeCell
      yield* three.emit(notify("x".repeat(1000)))
      assert.deepInclude(yield* session.cells, {
        cell: chatty,
        status: "Running",
        busy: false,
        degraded: false,
        awaitingApproval: []
      })
      yield* three.emit(notify("z"))
      // What was admitted is still delivered.
      yield* TestClock.adjust("60 seconds")
      const last = yield* session.observe(chatty)
      assert(last._tag === "Completed")
      assert.strictEqual(last.error?.text, "the cell has notified more than 1000 bytes that were not delivered")
    }).pipe(Effect.provide(layer({
      limits: Protocol.Limits.make({ maxUndeliveredOutputBytes: 1000, maxPendingCallbacks: 2 }),
      notify: () => Effect.never
    }))))

  it.effect("of a cell's life end it, and what it had put out is there", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      yield* isolate.emit(output("before"), calls("tool-1"))
      const observer = yield* background(session.observe(cell))
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(observer.pollUnsafe())
      yield* TestClock.adjust("1 second")
      // The call in progress ignores its cancellation for as long as it is given.
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(yield* Fiber.join(observer), {
        _tag: "Completed",
        cellId: cell.id,
        items: [{ type: "input_text", text: "before" }],
        error: { _tag: "LimitExceeded", text: "the script ran for longer than its limit of 10s" }
      } as Protocol.CellEvent)
      assert.deepInclude(isolate.commands, { _tag: "Stop" })
    }).pipe(Effect.provide(layer({
      limits: Protocol.Limits.make({ maxWallTime: Duration.seconds(10) }),
      invokeTool: () => deaf
    }))))

  it.effect("of a cell's life do not count once its script has ended", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      yield* isolate.emit(notify("slow"), finished())
      const observer = yield* background(session.observe(cell))
      yield* TestClock.adjust("11 seconds")
      assert.isUndefined(observer.pollUnsafe())
      yield* TestClock.adjust("9 seconds")
      assert.deepStrictEqual(yield* Fiber.join(observer), { _tag: "Completed", cellId: cell.id, items: [] })
    }).pipe(Effect.provide(layer({
      limits: Protocol.Limits.make({ maxWallTime: Duration.seconds(10) }),
      notify: () => Effect.sleep("20 seconds")
    }))))

  it.effect("of a cell's life do not outlast one that ended at once", () =>
    Effect.gen(function*() {
      let stops = 0
      const over: Isolate.Lease = {
        start: () =>
          Effect.map(EndedIsolate.make(finished()), (handle) => ({
            ...handle,
            stop: () => {
              stops++
            }
          }))
      }
      const session = yield* Runtime.make({ limits: Protocol.Limits.make({ maxWallTime: Duration.seconds(10) }) }).pipe(
        Effect.provideService(Isolate.Isolate, Isolate.Isolate.of({ lease: Effect.succeed(over) })),
        Effect.provide(Delegate.layerNoop)
      )
      yield* Effect.flatMap(session.create(request()), session.observe)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(stops, 0)
    }))

  it.effect("of remembered cells forgets the oldest", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      for (let index = 0; index < 3; index++) {
        const { cell } = yield* makeCell
        yield* session.terminate(cell)
      }
      const outcome = (id: string) =>
        session.awaitSettled(Protocol.CellId.make(id)).pipe(
          Effect.catch(({ finished }) => Effect.succeed(finished ? "forgotten" : "never"))
        )
      assert.deepStrictEqual(
        yield* Effect.all(["1", "2", "3", "4", "x"].map(outcome)),
        ["forgotten", "Terminated", "Terminated", "never", "never"]
      )
    }).pipe(Effect.provide(layer({ limits: { maxRememberedCells: 2 } }))))

  it.effect.each<[string, Protocol.LimitsInput]>([
    ["no call at a time", { maxToolCallsInFlight: 0 }],
    ["half a cell", { maxLiveCells: 0.5 }],
    ["less than no output", { maxUndeliveredOutputBytes: -1 }],
    ["no grace", { cancellationGrace: Duration.zero }]
  ])("are no bounds: %s", ([, limits]) =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Effect.provide(Runtime.SessionRuntime, layer({ limits })))
      assert.isTrue(Exit.hasDies(exit))
    }))

  it("of a file may be some of them", () => {
    const limits = Schema.decodeUnknownSync(Protocol.Limits)({ maxLiveCells: 3, maxWallTime: "5 minutes" })
    assert.deepStrictEqual(
      limits,
      Protocol.Limits.make({ maxLiveCells: 3, maxWallTime: Duration.minutes(5) })
    )
    assert.throws(() => Schema.decodeUnknownSync(Protocol.Limits)({ maxWallTime: "0 millis" }), /maxWallTime/)
  })

  it.effect("of a watcher that does not keep up is a typed failure, and nobody else's", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const gate = yield* Deferred.make<void>()
      const slow = yield* background(Stream.runForEach(session.events, () => Deferred.await(gate)))
      for (let index = 0; index < 10; index++) {
        const { cell } = yield* makeCell
        yield* session.terminate(cell)
      }
      yield* Deferred.succeed(gate, undefined)
      const lagged = yield* Effect.flip(Fiber.join(slow))
      assert.strictEqual(lagged._tag, "Lagged")
    }).pipe(Effect.provide(layer({ limits: Protocol.Limits.make({ maxLiveCells: 1 }) }))))
})

describe("watching", () => {
  it.effect("the lifecycle says what happens, in order", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const events = yield* background(Stream.runCollect(Stream.take(session.events, 6)))
      const { cell, isolate } = yield* makeCell
      yield* isolate.emit(finished())
      const { cell: other } = yield* makeCell
      yield* session.terminate(other)
      yield* session.observe(cell)
      assert.deepStrictEqual(
        (yield* Fiber.join(events)).map((event) =>
          `${event.cellId} ${event._tag}${event._tag === "Settled" ? ` ${event.outcome}` : ""}`
        ),
        ["1 Admitted", "1 Settled Completed", "2 Admitted", "2 Settled Terminated", "2 Closed", "1 Closed"]
      )
    }).pipe(Effect.provide(layer())))

  it.effect("the lifecycle has the end of a cell first, whoever asks for its outcome as soon as its output ends", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const events = yield* background(Stream.runCollect(Stream.take(session.activity, 3)))
      const { cell, isolate } = yield* makeCell
      const reader = yield* background(
        Effect.andThen(Stream.runDrain(session.output(cell)), session.observe(cell))
      )
      yield* isolate.emit(finished())
      yield* Fiber.join(reader)
      assert.deepStrictEqual((yield* Fiber.join(events)).map(({ _tag }) => _tag), ["Admitted", "Settled", "Closed"])
    }).pipe(Effect.provide(layer())))

  it.effect("a cell that can never go on is said to be stalled", () =>
    Effect.gen(function*() {
      const { isolate, session } = yield* makeCell
      yield* isolate.emit(frontier("tool-1"))
      assert.strictEqual((yield* session.cells)[0]?.status, "Running")
      yield* isolate.emit(frontier())
      assert.strictEqual((yield* session.cells)[0]?.status, "Stalled")
    }).pipe(Effect.provide(layer())))

  it.effect("output can be watched beside the observations", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      yield* isolate.emit(output("a"))
      const watcher = yield* background(Stream.runCollect(session.output(cell)))
      const observer = yield* background(session.observe(cell))
      yield* isolate.emit(output("b"), yieldRequested, output("c"), finished())
      assert.deepStrictEqual(texts(yield* Fiber.join(observer)), ["a", "b"])
      assert.deepStrictEqual(texts({ items: yield* Fiber.join(watcher) }), ["a", "b", "c"])
    }).pipe(Effect.provide(layer())))

  it.effect("awaitSettled sleeps until the outcome is final and takes nothing", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makeCell
      const waiter = yield* background(session.awaitSettled(cell.id))
      yield* isolate.emit(finished({ error: "Error: x" }))
      assert.strictEqual(yield* Fiber.join(waiter), "Failed")
      assert.strictEqual((yield* session.observe(cell))._tag, "Completed")
    }).pipe(Effect.provide(layer())))
})

describe("pausable cells", () => {
  const makePausable = Effect.gen(function*() {
    const session = yield* Runtime.SessionRuntime
    const isolates = yield* Isolate.TestIsolates
    const cell = yield* session.createPausable(request())
    const isolate = yield* isolates.next
    yield* isolate.emit(started)
    return { session, cell, isolate }
  })

  it.effect("stand at a frontier until they are resumed, by exactly one", () =>
    Effect.gen(function*() {
      const { cell, isolate, session } = yield* makePausable
      yield* isolate.emit(output("a"), calls("tool-1"), frontier("tool-1"))
      const first = yield* session.awaitFrontier(cell)
      assert.deepStrictEqual(yield* session.awaitFrontier(cell), first)
      assert(first._tag === "Frontier")
      assert.deepStrictEqual([first.generation, first.pendingToolCallIds.length, ...texts(first)], [1, 1, "a"])
      const answers = yield* Effect.all([
        session.resume(cell, first.generation),
        session.resume(cell, first.generation)
      ])
      assert.deepStrictEqual(answers, ["Resumed", "AlreadyRunning"])
      const invalid = yield* Effect.flip(session.resume(cell, Protocol.Generation.make(2)))
      assert.strictEqual(invalid.message, "exec cell 1 cannot resume generation 2; latest generation is 1")
      const next = yield* background(session.awaitFrontier(cell))
      yield* isolate.emit(output("b"), finished())
      const outcome = yield* Fiber.join(next)
      assert.deepStrictEqual([outcome._tag, ...texts(outcome)], ["Completed", "b"])
    }).pipe(Effect.provide(layer())))

  it.effect("give a frontier's output at termination only if nobody read it", () =>
    Effect.gen(function*() {
      const { cell: read, isolate: one, session } = yield* makePausable
      yield* one.emit(output("a"), frontier())
      yield* session.awaitFrontier(read)
      assert.deepStrictEqual(texts(yield* session.terminate(read)), [])
      const { cell: unread, isolate: two } = yield* makePausable
      yield* two.emit(output("a"), frontier())
      assert.deepStrictEqual(texts(yield* session.terminate(unread)), ["a"])
    }).pipe(Effect.provide(layer())))

  it.effect("are not what an id of the other kind brings", () =>
    Effect.gen(function*() {
      const { cell, session } = yield* makePausable
      const wrong = yield* Effect.flip(session.cell(cell.id))
      assert.strictEqual(wrong.message, "exec cell 1 is pausable, expected continuing")
    }).pipe(Effect.provide(layer())))
})

describe("idempotency keys", () => {
  it.effect("a retry of a creation hears the first event with the first caller, and again later", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const isolates = yield* Isolate.TestIsolates
      const retried = session.execute(request({ idempotencyKey: "k" }))
      const first = yield* background((yield* retried).initial)
      const second = yield* background((yield* retried).initial)
      const isolate = yield* isolates.next
      yield* isolate.emit(started, output("a"), finished())
      const events = [yield* Fiber.join(first), yield* Fiber.join(second), yield* (yield* retried).initial]
      assert.deepStrictEqual(events.map((event) => [event._tag, ...texts(event)]), [
        ["Completed", "a"],
        ["Completed", "a"],
        ["Completed", "a"]
      ])
    }).pipe(Effect.provide(layer())))

  it.effect("a first event that its callers gave up waiting for is there for others", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const isolates = yield* Isolate.TestIsolates
      const { cell, initial } = yield* session.execute(request({ idempotencyKey: "k" }))
      yield* Fiber.interrupt(yield* background(initial))
      const observer = yield* background(session.observe(cell))
      const isolate = yield* isolates.next
      yield* isolate.emit(started, output("a"), finished())
      assert.deepStrictEqual(texts(yield* Fiber.join(observer)), ["a"])
    }).pipe(Effect.provide(layer())))

  it.effect("the first event has a key of its own, if it is given one", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const isolates = yield* Isolate.TestIsolates
      const { cell, initial } = yield* session.execute(request(), { idempotencyKey: "first" })
      const lost = yield* background(initial)
      yield* Fiber.interrupt(lost)
      const isolate = yield* isolates.next
      yield* isolate.emit(started, output("a"), finished())
      assert.deepStrictEqual(texts(yield* session.observe(cell, { idempotencyKey: "first" })), ["a"])
      assert.deepStrictEqual(texts(yield* session.observe(cell, { idempotencyKey: "first" })), ["a"])
    }).pipe(Effect.provide(layer())))

  it.effect("concurrent creations with one key make one cell", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const keyed = request({ idempotencyKey: "k", source: "text(1)" })
      const [a, b] = yield* Effect.all([session.create(keyed), session.create(keyed)], { concurrency: 2 })
      assert.strictEqual(a.id, b.id)
      assert.lengthOf(yield* session.cells, 1)
      assert.strictEqual((yield* Effect.flip(session.createPausable(keyed)))._tag, "WrongCellKind")
      const other = yield* Effect.flip(session.create({ ...keyed, source: "text(2)" }))
      assert.strictEqual(other._tag, "IdempotencyConflict")
    }).pipe(Effect.provide(layer())))
})
