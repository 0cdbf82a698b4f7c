/** Hosts that are lost, late, or out of their mind, and what a session at them says. */
import { assert, describe, it } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import * as Protocol from "effect-code-mode/Protocol"
import type * as Runtime from "effect-code-mode/Runtime"
import * as CellRef from "effect-code-mode/session/CellRef"
import * as Frame from "effect-code-mode/wire/Frame"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { makeDice } from "../host/Dice.ts"
import { toolCall } from "../toolCall.ts"
import * as FakeHost from "./FakeHost.ts"
import { garbage } from "./Garbage.ts"
import * as Wire from "./Wire.ts"

type Session = Runtime.SessionRuntime["Service"]

const background = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const request: Protocol.CellRequest = { callId: "call-1", source: "text(1)" }
const id = Protocol.CellId.make("1")
const continuing = CellRef.continuing(id)
const pausable = CellRef.pausable(id)

/** A host that makes one cell and says nothing more, and a session at it. */
const withCell = Effect.fnUntraced(function*() {
  let made = false
  const host = yield* FakeHost.make({
    Create: () => {
      const first = !made
      made = true
      return first ? Effect.succeed(id) : Effect.never
    }
  })
  const session = yield* FakeHost.open([host])
  yield* host.next("Open")
  yield* session.create(request)
  yield* host.next("Create")
  return { host, session }
})

/** What a session can ask, and what it hears when the host is lost before it answers. */
interface Operation {
  readonly asks: Parameters<FakeHost.FakeHost["next"]>[0]
  readonly ask: (session: Session) => Effect.Effect<unknown, { readonly _tag: string; readonly message: string }>
  readonly heard: unknown
  /** How long the host may take, in seconds; without it, for ever. */
  readonly patience?: number
}

const lost = { _tag: "Completed", cellId: id, items: [], error: { _tag: "IsolateLost" } }
const unmade = { _tag: "IsolateFailure" }
const stale = { _tag: "MissingCell" }

const operations: Record<string, Operation> = {
  execute: { asks: "Create", ask: (session) => session.execute(request), heard: unmade, patience: 61 },
  create: { asks: "Create", ask: (session) => session.create(request), heard: unmade, patience: 61 },
  createPausable: { asks: "Create", ask: (session) => session.createPausable(request), heard: unmade, patience: 61 },
  observe: { asks: "Observe", ask: (session) => session.observe(continuing), heard: lost },
  "observe for a while": {
    asks: "Observe",
    ask: (session) => session.observe(continuing, { yieldAfter: "5 seconds" }),
    heard: lost,
    patience: 66
  },
  "observe under a key": {
    asks: "Observe",
    ask: (session) => session.observe(continuing, { idempotencyKey: "key", yieldAfter: 0 }),
    heard: lost,
    patience: 61
  },
  awaitFrontier: { asks: "AwaitFrontier", ask: (session) => session.awaitFrontier(pausable), heard: lost },
  resume: {
    asks: "Resume",
    ask: (session) => session.resume(pausable, Protocol.Generation.make(1)),
    heard: stale,
    patience: 61
  },
  terminate: { asks: "Terminate", ask: (session) => session.terminate(continuing), heard: lost, patience: 61 },
  yieldNow: { asks: "YieldNow", ask: (session) => session.yieldNow(continuing), heard: stale, patience: 61 },
  cell: { asks: "Find", ask: (session) => session.cell(id), heard: stale, patience: 61 },
  cells: { asks: "Cells", ask: (session) => session.cells, heard: [], patience: 61 },
  awaitSettled: { asks: "AwaitSettled", ask: (session) => session.awaitSettled(id), heard: "Failed" },
  storedValues: { asks: "StoredValues", ask: (session) => session.storedValues, heard: {}, patience: 61 },
  output: { asks: "Output", ask: (session) => Stream.runCollect(session.output(continuing)), heard: [] },
  shutdown: { asks: "Shutdown", ask: (session) => session.shutdown, heard: undefined }
}

const hear = (exit: Exit.Exit<unknown, { readonly _tag: string }>) =>
  Exit.isSuccess(exit)
    ? exit.value
    : Exit.findErrorOption(exit).pipe((error) => ("value" in error ? error.value : exit))

const assertHeard = (exit: Exit.Exit<unknown, { readonly _tag: string }>, wanted: unknown, text: string) => {
  const heard = hear(exit)
  if (wanted === lost) {
    assert.deepStrictEqual(heard, { ...lost, error: { ...lost.error, text } })
  } else if (wanted === unmade || wanted === stale) {
    assert.deepInclude(heard, wanted)
  } else {
    assert.deepStrictEqual(heard, wanted)
  }
}

describe("a host", () => {
  for (const [operation, { ask, asks, heard, patience }] of Object.entries(operations)) {
    it.effect(`that is lost during ${operation} closes its cells`, () =>
      Effect.gen(function*() {
        const { host, session } = yield* withCell()
        const steps: Array<string> = []
        yield* background(Stream.runForEach(session.events, (event) => Effect.sync(() => steps.push(event._tag))))
        const asking = yield* background(Effect.exit(ask(session)))
        yield* host.next(asks)
        assert.isUndefined(asking.pollUnsafe())
        yield* host.cut("it died")
        assertHeard(yield* Fiber.join(asking), heard, "it died")
        yield* Effect.repeat(Effect.yieldNow, { until: () => steps.length === 2 })
        assert.deepStrictEqual(steps, ["Settled", "Closed"])
      }))

    it.effect(
      patience === undefined
        ? `may take its time over ${operation}`
        : `that takes longer than ${patience} seconds over ${operation} is given up`,
      () =>
        Effect.gen(function*() {
          const { host, session } = yield* withCell()
          const asking = yield* background(Effect.exit(ask(session)))
          yield* host.next(asks)
          if (patience === undefined) {
            if (operation !== "shutdown") {
              yield* TestClock.adjust("1 day")
              assert.isUndefined(asking.pollUnsafe())
            }
            return
          }
          yield* TestClock.adjust(patience * 1000 - 1)
          assert.isUndefined(asking.pollUnsafe())
          yield* TestClock.adjust(1)
          assertHeard(yield* Fiber.join(asking), heard, "the code-mode host did not answer in time")
          // The whole host is given up, and not this request alone.
          assertHeard(yield* Effect.exit(session.observe(continuing)), stale, "")
        })
    )
  }

  it.effect("that does not close a session in time is not waited for", () =>
    Effect.gen(function*() {
      const { session } = yield* withCell()
      const shutdown = yield* background(session.shutdown)
      yield* TestClock.adjust(1_099)
      assert.isUndefined(shutdown.pollUnsafe())
      yield* TestClock.adjust(1)
      yield* Fiber.join(shutdown)
    }))

  it.effect("has no cells after the end of its session", () =>
    Effect.gen(function*() {
      const { session } = yield* withCell()
      const shutdown = yield* background(session.shutdown)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(shutdown)
      assert.strictEqual((yield* Effect.flip(session.create(request)))._tag, "ShuttingDown")
      assert.deepStrictEqual(yield* session.cells, [])
      assert.deepStrictEqual(yield* session.storedValues, {})
      for (const ask of [session.observe(continuing), session.terminate(continuing), session.cell(id)]) {
        const missing = yield* Effect.flip<unknown, Protocol.MissingCell | { readonly _tag: string }, never>(ask)
        assert.deepInclude(missing, { _tag: "MissingCell", finished: true })
      }
    }))

  it.effect("is not asked for what no frame can hold", () =>
    Effect.gen(function*() {
      const { host, session } = yield* withCell()
      const refused = yield* Effect.flip(session.create({ ...request, source: " ".repeat(Frame.maxPayload) }))
      assert.deepInclude(refused, { _tag: "CapacityExceeded", limit: "frame" })
      assert.match(refused.message, /^code-mode IPC frame length \d+ exceeds/)
      const observation = yield* background(session.observe(continuing))
      yield* host.next("Observe")
      assert.isUndefined(observation.pollUnsafe())
    }))

  it.effect("that does not open a session in time is given up", () =>
    Effect.gen(function*() {
      const host = yield* FakeHost.make({ Open: () => Stream.never })
      const opening = yield* background(Effect.flip(FakeHost.open([host])))
      yield* host.next("Open")
      yield* TestClock.adjust(60_999)
      assert.isUndefined(opening.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(opening)).message, "the code-mode host did not answer in time")
    }))

  it.effect("that opens a session and gives it up is lost", () =>
    Effect.gen(function*() {
      const over = yield* Deferred.make<void>()
      const host = yield* FakeHost.make({
        Create: () => Effect.succeed(id),
        Open: () =>
          Stream.concat(
            Stream.succeed({ _tag: "Opened", limits: Protocol.Limits.make({}) } as const),
            Stream.fromEffectDrain(Deferred.await(over))
          )
      })
      const session = yield* FakeHost.open([host])
      yield* session.create(request)
      const observation = yield* background(session.observe(continuing))
      yield* Deferred.succeed(over, undefined)
      assertHeard(yield* Fiber.join(observation).pipe(Effect.exit), lost, "the code-mode host gave the session up")
    }))

  it.effect("that is lost is followed by the next, whose cells are others", () =>
    Effect.gen(function*() {
      const { host, session } = yield* Effect.gen(function*() {
        const host = yield* FakeHost.make({ Create: () => Effect.succeed(id) })
        const next = yield* FakeHost.make({ Create: () => Effect.succeed(Protocol.CellId.make("2")) })
        return { host, session: yield* FakeHost.open([host, next]) }
      })
      const steps: Array<string> = []
      yield* background(
        Stream.runForEach(session.events, (event) => Effect.sync(() => steps.push(`${event._tag} ${event.cellId}`)))
      )
      const cell = yield* session.create(request)
      const observation = yield* background(session.observe(cell))
      yield* host.cut("it died")
      yield* Fiber.join(observation)
      const next = yield* session.create(request)
      assert.strictEqual(next.id, "2")
      for (const use of [session.observe(cell), session.terminate(cell), session.cell(cell.id)]) {
        const missing = yield* Effect.flip<unknown, { readonly message: string }, never>(use)
        assert.strictEqual(missing.message, "cell 1 belongs to a code-mode host that is gone")
      }
      yield* Effect.repeat(Effect.yieldNow, { until: () => steps.length === 4 })
      assert.deepStrictEqual(steps, ["Admitted 1", "Settled 1", "Closed 1", "Admitted 2"])
    }))

  it.effect("that does not come does not hold up the end of the session", () =>
    Effect.gen(function*() {
      const first = yield* FakeHost.make()
      const second = yield* FakeHost.make({ Open: () => Stream.never })
      const session = yield* FakeHost.open([first, second])
      yield* first.cut("it died")
      const creation = yield* background(Effect.flip(session.create(request)))
      yield* second.next("Open")
      yield* session.shutdown
      assert.strictEqual((yield* Fiber.join(creation))._tag, "ShuttingDown")
    }))

  it.effect("that is lost cancels the callbacks here, and is not waited for by one that is deaf", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const host = yield* FakeHost.make({ Create: () => Effect.succeed(id) })
      const session = yield* FakeHost.open([host], {
        delegate: Delegate.Delegate.of({
          tools: [],
          invokeTool: ({ toolName: { name } }) =>
            Effect.sync(() => log.push(`called ${name}`)).pipe(
              Effect.andThen(name === "deaf" ? Effect.uninterruptible(Effect.never) : Effect.never),
              Effect.onInterrupt(() => Effect.sync(() => log.push(`cancelled ${name}`)))
            ),
          notify: () => Effect.void
        })
      })
      yield* session.create(request)
      for (const [callback, name] of ["block", "deaf"].entries()) {
        yield* background(Effect.exit(host.client.InvokeTool({
          session: 1,
          callback,
          call: toolCall({ name, cellId: id, toolCallId: `tool-${callback}` })
        })))
      }
      yield* Effect.repeat(Effect.yieldNow, { until: () => log.length === 2 })
      const observation = yield* background(session.observe(continuing))
      yield* host.cut("it died")
      assertHeard(yield* Effect.exit(Fiber.join(observation)), lost, "it died")
      assert.deepStrictEqual(log, ["called block", "called deaf", "cancelled block"])
    }))

  it.effect("that calls before it says anything else of a cell makes the cell known first", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const host = yield* FakeHost.make()
      const session = yield* FakeHost.open([host], {
        delegate: Delegate.Delegate.of({
          tools: [],
          invokeTool: () => Effect.sync(() => log.push("called")),
          notify: () => Effect.sync(() => log.push("notified"))
        })
      })
      yield* background(
        Stream.runForEach(session.events, (event) => Effect.sync(() => log.push(`${event._tag} ${event.cellId}`)))
      )
      const one = Protocol.CellId.make("1")
      const two = Protocol.CellId.make("2")
      yield* host.client.InvokeTool({
        session: 1,
        callback: 1,
        call: toolCall({ name: "t", cellId: one })
      })
      yield* host.client.Notify({ session: 1, callback: 2, notification: { callId: "c", cellId: two, text: "n" } })
      yield* Effect.repeat(Effect.yieldNow, { until: () => log.length === 4 })
      assert.sameMembers(log.slice(0, 2), ["Admitted 1", "called"])
      assert.sameMembers(log.slice(2), ["Admitted 2", "notified"])
    }))

  it.effect("that calls more than a session takes hears that it does", () =>
    Effect.gen(function*() {
      const host = yield* FakeHost.make()
      yield* FakeHost.open([host], {
        limits: Protocol.Limits.make({ maxPendingCallbacks: 2 }),
        delegate: Delegate.Delegate.of({ tools: [], invokeTool: () => Effect.never, notify: () => Effect.never })
      })
      const notify = (callback: number) =>
        host.client.Notify({ session: 1, callback, notification: { callId: "c", cellId: id, text: "n" } })
      const first = yield* background(Effect.exit(notify(1)))
      yield* background(Effect.exit(notify(2)))
      assert.strictEqual((yield* Effect.exit(notify(3)))._tag, "Failure")
      assert.isUndefined(first.pollUnsafe())
    }))
})

describe("a host that says anything at all", () => {
  const messages = [
    { _tag: "Exit", requestId: 1, exit: { _tag: "Success", value: null } },
    { _tag: "Exit", requestId: 2, exit: { _tag: "Failure", cause: [{ _tag: "Fail", error: { _tag: "What" } }] } },
    { _tag: "Chunk", requestId: 1, values: [{ _tag: "Closed", cellId: "1" }] },
    { _tag: "Chunk", requestId: 1, values: [] },
    { _tag: "Defect", defect: 1 },
    { _tag: "Pong" },
    { _tag: "Eof" },
    { _tag: "Ack", requestId: 1 },
    { _tag: "Interrupt", requestId: 1 },
    { _tag: "Request", id: 1, tag: "InvokeTool", payload: { session: 1, callback: 1 }, headers: [] },
    { _tag: "Request", id: 2, tag: "Cancel", payload: { session: 1, callback: 1 }, headers: [] },
    { _tag: "Request", id: {}, tag: "toString" },
    { _tag: "Request" }
  ]

  for (const [name, make] of Object.entries(garbage(messages))) {
    it.live(`${name} costs its cells and no more`, () =>
      Effect.gen(function*() {
        for (let seed = 1; seed <= 40; seed++) {
          const host = yield* FakeHost.make()
          const next = yield* Wire.make
          const session = yield* FakeHost.open([host, next])
          const execution = yield* background(Effect.exit(session.execute(request)))
          yield* host.next("Open")
          yield* host.next("Create")
          yield* host.toClient.write(make(makeDice(seed)))
          yield* host.cut("it died")
          const exit = yield* Fiber.join(execution)
          if (Exit.isSuccess(exit)) {
            assert.strictEqual((yield* Effect.flip(session.observe(exit.value.cell)))._tag, "MissingCell")
          }
          const again = yield* background(Effect.exit(session.execute(request)))
          yield* next.cut("it died, too")
          assertHeard(yield* Fiber.join(again), unmade, "")
        }
      }))
  }
})
