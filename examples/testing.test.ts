import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Schema } from "effect"
import { Delegate, Isolate, Protocol, Runtime, V8 } from "effect-code-mode"
import * as TestClock from "effect/testing/TestClock"

// The host under test. It runs what a model wrote, and gives up after half a minute.
const run = Effect.fn("run")(function*(source: string) {
  const session = yield* Runtime.SessionRuntime
  const { cell, initial } = yield* session.execute({ callId: "call-1", source }, { yieldAfter: "30 seconds" })
  const event = yield* initial
  return event._tag === "Yielded" ? yield* session.terminate(cell) : event
})

const texts = ({ items }: Protocol.CellEvent) => items.map((item) => item.type === "input_text" ? item.text : item.type)

describe("real scripts with the tools of a test", () => {
  const layer = (tools: Layer.Layer<Delegate.Delegate>) => Runtime.layer().pipe(Layer.provide([tools, V8.layer()]))

  it.live("a script hears what a tool answers", () =>
    Effect.gen(function*() {
      const event = yield* run(`
        text(await tools.count({ item: "apple" }))
        await tools.count({ item: "fig" }).catch((reason) => text(reason))
      `)
      assert.deepStrictEqual(texts(event), ["12", "no shelf for fig"])
    }).pipe(Effect.provide(layer(Delegate.layerTools({
      count: Delegate.tool({
        parameters: Schema.Struct({ item: Schema.String }),
        handler: ({ item }) => item === "apple" ? Effect.succeed(12) : Effect.fail(`no shelf for ${item}`)
      })
    })))))

  // The script runs in real time, and the session's half minute passes when the test says so.
  it.effect("a script that waits for too long is stopped", () =>
    Effect.gen(function*() {
      const called = yield* Deferred.make<void>()
      const cancelled = yield* Deferred.make<void>()
      const hold = Deferred.succeed(called, undefined).pipe(
        Effect.andThen(Effect.never),
        Effect.onInterrupt(() => Deferred.succeed(cancelled, undefined))
      )
      const tools = Delegate.layerTools({
        hold: Delegate.tool({ parameters: Schema.Struct({}), handler: () => hold })
      })
      yield* Effect.gen(function*() {
        const running = yield* Effect.forkChild(run("await tools.hold()"))
        yield* Deferred.await(called)
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual((yield* Fiber.join(running))._tag, "Terminated")
        yield* Deferred.await(cancelled)
      }).pipe(Effect.provide(layer(tools)))
    }))
})

describe("scripts that the test plays", () => {
  const audit = Delegate.tool({
    parameters: Schema.Struct({}),
    handler: () => Effect.uninterruptible(Effect.never)
  })
  const tools = Delegate.layerTools({
    count: Delegate.tool({ parameters: Schema.Struct({ item: Schema.String }), handler: () => Effect.succeed(12) }),
    audit
  })
  const layer = Runtime.layer().pipe(Layer.provide(tools), Layer.provideMerge(Isolate.layerTest))

  const id = Protocol.ToolCallId.make("tool-1")
  /** `tool` is the place of the tool in the delegate's list. */
  const call = (tool: number, input?: string): Isolate.IsolateEvent => ({
    _tag: "ToolCalls",
    calls: [{ id, tool, ...(input === undefined ? {} : { input }) }]
  })

  /** Runs the host until it waits for its cell, and gives the isolate to play. */
  const start = Effect.gen(function*() {
    const isolates = yield* Isolate.TestIsolates
    const running = yield* Effect.forkChild(run("whatever"), { startImmediately: true })
    const isolate = yield* isolates.next
    yield* isolate.emit({ _tag: "Started" })
    return { running, isolate }
  })

  it.effect("a call is answered with JSON", () =>
    Effect.gen(function*() {
      const { isolate, running } = yield* start
      yield* isolate.emit(call(0, `{"item":"apple"}`))
      assert.deepStrictEqual(isolate.commands, [{ _tag: "Resolve", id, json: "12" }])
      yield* isolate.emit(
        { _tag: "Output", items: [{ type: "input_text", text: "12 apples" }] },
        { _tag: "Finished", stored: [] }
      )
      assert.deepStrictEqual(texts(yield* Fiber.join(running)), ["12 apples"])
    }).pipe(Effect.provide(layer)))

  it.effect("the host waits for half a minute, and not less", () =>
    Effect.gen(function*() {
      const { isolate, running } = yield* start
      yield* TestClock.adjust("29999 millis")
      assert.isUndefined(running.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(running))._tag, "Terminated")
      assert.deepStrictEqual(isolate.commands, [{ _tag: "Stop" }])
    }).pipe(Effect.provide(layer)))

  it.effect("a tool that ignores its interruption costs 100 ms", () =>
    Effect.gen(function*() {
      const { isolate, running } = yield* start
      yield* isolate.emit(call(1))
      yield* TestClock.adjust("30 seconds")
      yield* TestClock.adjust("99 millis")
      assert.isUndefined(running.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(running))._tag, "Terminated")
    }).pipe(Effect.provide(layer)))

  it.effect("an engine that is lost is an outcome", () =>
    Effect.gen(function*() {
      const { isolate, running } = yield* start
      yield* isolate.end
      const event = yield* Fiber.join(running)
      assert(event._tag === "Completed")
      assert.strictEqual(event.error?._tag, "IsolateLost")
    }).pipe(Effect.provide(layer)))
})
