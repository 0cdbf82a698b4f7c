/** Sessions at a host whose isolates the test plays, over a connection that it can hold up. */
import { assert, describe, it } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import * as Isolate from "effect-code-mode/Isolate"
import * as Protocol from "effect-code-mode/Protocol"
import * as Remote from "effect-code-mode/Remote"
import * as HostConnection from "effect-code-mode/remote/HostConnection"
import * as RemoteSession from "effect-code-mode/remote/RemoteSession"
import * as Rpcs from "effect-code-mode/remote/Rpcs"
import type * as Runtime from "effect-code-mode/Runtime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { unixPathAddress } from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import { SocketServer } from "effect/socket/SocketServer"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { makeDice } from "../host/Dice.ts"
import {
  calls,
  finished,
  notify,
  output,
  request,
  started,
  texts,
  toolCallId,
  yieldRequested
} from "../session/TestSession.ts"
import { frame, garbage } from "./Garbage.ts"
import { connect, type Invoke, open } from "./PlayedHost.ts"
import * as Wire from "./Wire.ts"

const background = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

/** Lets everything happen that can happen by itself. */
const settle = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, { discard: true })

const next = Effect.flatMap(Isolate.TestIsolates, ({ next }) => next)

/** Makes a cell, and gives it with its isolate, which has started. */
const create = Effect.fnUntraced(function*(session: Runtime.SessionRuntime["Service"], kind?: "pausable") {
  const making: Effect.Effect<Runtime.Cell | Runtime.PausableCell, Runtime.CreateError> = kind === undefined
    ? session.create(request())
    : session.createPausable(request())
  const cell = yield* making
  const isolate = yield* next
  yield* isolate.emit(started)
  return { cell: cell as Runtime.Cell, isolate }
})

const say = (event: Protocol.CellEvent): ReadonlyArray<string> => [event._tag, ...texts(event)]

const tooMany = {
  _tag: "CapacityExceeded",
  limit: "maxLiveCells",
  text: "the host has too many live cells"
} as const

const test = (
  name: string,
  body: Effect.Effect<unknown, unknown, Scope.Scope | Isolate.Isolate | Isolate.TestIsolates>
) => it.effect(name, () => Effect.provide(body, Isolate.layerTest))

// =============================================================================
// What is heard, and what is not
// =============================================================================

describe("an interrupted request", () => {
  for (
    const [name, events, heard] of [
      ["a yield", [output("a"), yieldRequested], ["Yielded", "a"]],
      ["a completion", [output("a"), finished()], ["Completed", "a"]]
    ] satisfies ReadonlyArray<readonly [string, ReadonlyArray<Isolate.IsolateEvent>, ReadonlyArray<string>]>
  ) {
    test(
      `to observe loses nothing of ${name} that is on its way`,
      Effect.gen(function*() {
        const { session, toClient } = yield* open()
        const { cell, isolate } = yield* create(session)
        const first = yield* background(session.observe(cell))
        yield* settle
        yield* toClient.hold
        yield* isolate.emit(...events)
        yield* settle
        yield* Fiber.interrupt(first)
        yield* toClient.release
        assert.lengthOf(yield* session.cells, 1)
        assert.deepStrictEqual(say(yield* session.observe(cell, { yieldAfter: 0 })), heard)
      })
    )
  }

  test(
    "to observe leaves the output to a termination",
    Effect.gen(function*() {
      const { session, toClient } = yield* open()
      const { cell, isolate } = yield* create(session)
      const first = yield* background(session.observe(cell))
      yield* settle
      yield* toClient.hold
      yield* isolate.emit(output("a"), yieldRequested, output("b"))
      yield* settle
      yield* Fiber.interrupt(first)
      yield* toClient.release
      assert.deepStrictEqual(say(yield* session.terminate(cell)), ["Terminated", "a", "b"])
    })
  )

  test(
    "to observe frees the place of the next one, whose answer is its own",
    Effect.gen(function*() {
      const { session } = yield* open()
      const { cell, isolate } = yield* create(session)
      for (let time = 0; time < 3; time++) {
        const lost = yield* background(session.observe(cell))
        yield* settle
        yield* Fiber.interrupt(lost)
      }
      const observer = yield* background(session.observe(cell))
      yield* settle
      assert.strictEqual((yield* Effect.flip(session.observe(cell)))._tag, "BusyObserver")
      yield* isolate.emit(output("a"), finished())
      assert.deepStrictEqual(say(yield* Fiber.join(observer)), ["Completed", "a"])
    })
  )

  test(
    "to terminate leaves the outcome to the next observer",
    Effect.gen(function*() {
      const { session, toClient } = yield* open()
      const { cell, isolate } = yield* create(session)
      yield* isolate.emit(output("a"))
      yield* toClient.hold
      const termination = yield* background(session.terminate(cell))
      yield* settle
      yield* Fiber.interrupt(termination)
      yield* toClient.release
      assert.deepStrictEqual(say(yield* session.observe(cell)), ["Terminated", "a"])
      yield* Effect.repeat(session.cells, { until: (cells) => cells.length === 0 })
    })
  )

  test(
    "for a frontier is told it again, and its output with it",
    Effect.gen(function*() {
      const { session, toClient } = yield* open()
      const { cell, isolate } = yield* create(session, "pausable")
      const pausable = yield* session.pausableCell(cell.id)
      const first = yield* background(session.awaitFrontier(pausable))
      yield* settle
      yield* toClient.hold
      yield* isolate.emit(output("a"), { _tag: "Frontier", pendingToolCalls: [toolCallId("t")], timers: 0 })
      yield* settle
      yield* Fiber.interrupt(first)
      yield* toClient.release
      assert.deepStrictEqual(say(yield* session.terminate(pausable)), ["Terminated", "a"])
    })
  )

  test(
    "to make a cell leaves none, unless it has a key",
    Effect.gen(function*() {
      const { session, toClient } = yield* open()
      yield* toClient.hold
      for (const options of [{}, { idempotencyKey: "key" }]) {
        const making = yield* background(session.create(request(options)))
        yield* next
        yield* settle
        yield* Fiber.interrupt(making)
      }
      yield* toClient.release
      const cells = yield* Effect.repeat(session.cells, { until: (cells) => cells.length === 1 })
      const kept = yield* session.create(request({ idempotencyKey: "key" }))
      assert.deepStrictEqual(cells.map(({ cell }) => cell.id), [kept.id])
    })
  )

  test(
    "to end a session ends it all the same",
    Effect.gen(function*() {
      const { session, toClient } = yield* open()
      const { isolate } = yield* create(session)
      yield* toClient.hold
      const shutdown = yield* background(session.shutdown)
      yield* settle
      yield* Fiber.interrupt(shutdown)
      assert.deepInclude(isolate.commands, { _tag: "Stop" })
      yield* toClient.release
      yield* session.shutdown
    })
  )
})

// =============================================================================
// Order
// =============================================================================

describe("what happens", () => {
  test(
    "is told in order: a cell's beginning before its first call, its end before that of the session",
    Effect.gen(function*() {
      const log: Array<string> = []
      const { session } = yield* open({
        invokeTool: () =>
          Effect.sync(() => {
            log.push("called")
            return null
          })
      })
      yield* background(
        Stream.runForEach(session.events, ({ _tag }) => Effect.sync(() => log.push(_tag))).pipe(
          Effect.andThen(Effect.sync(() => log.push("over")))
        )
      )
      const cell = yield* background(session.create(request()))
      const isolate = yield* next
      yield* isolate.emit(started, calls("tool-1"))
      yield* Fiber.join(cell)
      yield* settle
      assert.deepStrictEqual(log, ["Admitted", "called"])
      yield* session.shutdown
      yield* settle
      assert.deepStrictEqual(log, ["Admitted", "called", "Settled", "Closed", "over"])
    })
  )

  test(
    "is told before whoever asks for it has its answer",
    Effect.gen(function*() {
      const { session } = yield* open()
      const seen: Array<string> = []
      yield* background(Stream.runForEach(session.events, ({ cellId }) => Effect.sync(() => seen.push(cellId))))
      const { cell } = yield* create(session)
      yield* Effect.yieldNow
      assert.deepStrictEqual(seen, [cell.id])
    })
  )

  test(
    "reaches a reader of output before its end, however slow it is, and nobody waits for it",
    Effect.gen(function*() {
      const { session } = yield* open()
      const { cell, isolate } = yield* create(session)
      const gate = yield* Deferred.make<void>()
      const read: Array<string> = []
      const reader = yield* background(
        Stream.runForEach(
          session.output(cell),
          (item) => Effect.andThen(Deferred.await(gate), Effect.sync(() => read.push(...texts({ items: [item] }))))
        )
      )
      yield* settle
      const lines = Array.from({ length: 100 }, (_, index) => `line ${index}`)
      for (const line of lines) {
        yield* isolate.emit(output(line))
        yield* Effect.yieldNow
      }
      yield* isolate.emit(finished())
      assert.deepStrictEqual(say(yield* session.observe(cell)), ["Completed", ...lines])
      assert.isUndefined(reader.pollUnsafe())
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(reader)
      assert.deepStrictEqual(read, lines)
    })
  )
})

// =============================================================================
// Callbacks
// =============================================================================

describe("callbacks", () => {
  /** Tools that note what becomes of them. */
  const noting = () => {
    const log: Array<string> = []
    const invokeTool: Invoke = ({ toolCallId: id }) =>
      (id === "deaf" ? Effect.uninterruptible(Effect.never) : Effect.never).pipe(
        Effect.onInterrupt(() => Effect.sync(() => log.push(`cancelled ${id}`))),
        (tool) => Effect.andThen(Effect.sync(() => log.push(`called ${id}`)), tool)
      )
    return { log, invokeTool }
  }

  test(
    "have ended when a termination is answered",
    Effect.gen(function*() {
      const { invokeTool, log } = noting()
      const { session } = yield* open({ invokeTool })
      const { cell, isolate } = yield* create(session)
      yield* isolate.emit(calls("a", "b"))
      yield* settle
      yield* session.terminate(cell)
      assert.deepStrictEqual(log, ["called a", "called b", "cancelled a", "cancelled b"])
    })
  )

  test(
    "that are deaf hold a termination up for one grace, and the end of the session for no other",
    Effect.gen(function*() {
      const { invokeTool, log } = noting()
      const scope = yield* Scope.make()
      const { session } = yield* open({ invokeTool }).pipe(Scope.provide(scope))
      const { cell, isolate } = yield* create(session)
      yield* isolate.emit(calls("deaf"))
      yield* settle
      const termination = yield* background(session.terminate(cell))
      yield* settle
      yield* TestClock.adjust(99)
      assert.isUndefined(termination.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(say(yield* Fiber.join(termination)), ["Terminated"])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(log, ["called deaf"])
    })
  )

  test(
    "are interrupted when the session ends, and one that is deaf does not hold up the connection",
    Effect.gen(function*() {
      const { invokeTool, log } = noting()
      const scope = yield* Scope.make()
      const { session } = yield* open({ invokeTool }).pipe(Scope.provide(scope))
      const { isolate } = yield* create(session)
      yield* isolate.emit(calls("a", "deaf"))
      yield* settle
      const closing = yield* background(Scope.close(scope, Exit.void))
      yield* settle
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(closing)
      assert.deepStrictEqual(log, ["called a", "called deaf", "cancelled a"])
    })
  )

  test(
    "are not asked for while the client does not read, and not at all once they are cancelled",
    Effect.gen(function*() {
      const { invokeTool, log } = noting()
      const { session, toClient } = yield* open({ invokeTool })
      const { cell, isolate } = yield* create(session)
      yield* toClient.hold
      const input = JSON.stringify("x".repeat(100_000))
      yield* isolate.emit({
        _tag: "ToolCalls",
        calls: Array.from({ length: 100 }, (_, index) => ({ id: toolCallId(`t-${index}`), tool: 0, input }))
      })
      yield* settle
      const termination = yield* background(session.terminate(cell))
      yield* settle
      yield* toClient.release
      yield* Fiber.join(termination)
      yield* settle
      const called = log.filter((line) => line.startsWith("called"))
      assert.isAbove(called.length, 0)
      assert.isBelow(called.length, 20)
      assert.lengthOf(log, 2 * called.length)
    })
  )

  test(
    "bring their results and errors, whatever they are",
    Effect.gen(function*() {
      const notified: Array<string> = []
      const deep = JSON.parse("[".repeat(2000) + "]".repeat(2000))
      const odd = JSON.parse("{\"__proto__\":1}")
      const results: Record<string, Effect.Effect<unknown, Protocol.ToolError>> = {
        deep: Effect.succeed(deep),
        odd: Effect.succeed(odd),
        nothing: Effect.succeed(undefined),
        fails: Effect.fail(new Protocol.ToolError({ text: "no" })),
        dies: Effect.die(new Error("a bug")),
        gives: Effect.interrupt,
        circular: Effect.sync(() => {
          const value: Record<string, unknown> = {}
          value["self"] = value
          return value
        })
      }
      const { session } = yield* open({
        notified,
        invokeTool: ({ toolCallId: id }) => results[id] as Effect.Effect<null, Protocol.ToolError>
      })
      const { cell, isolate } = yield* create(session)
      yield* isolate.emit(calls(...Object.keys(results)), notify("n"))
      yield* Effect.repeat(Effect.yieldNow, { until: () => isolate.commands.length === 7 && notified.length === 1 })
      const answers = Object.fromEntries(isolate.commands.map((command) => [
        "id" in command ? command.id : "",
        "json" in command ? command.json : "text" in command ? `! ${command.text}` : ""
      ]))
      assert.deepStrictEqual(answers, {
        deep: "[".repeat(2000) + "]".repeat(2000),
        odd: "{\"__proto__\":1}",
        nothing: "null",
        fails: "! no",
        dies: "! code mode tool task panicked",
        gives: "! code mode nested tool call cancelled",
        circular: "! code mode tool task panicked"
      })
      assert.deepStrictEqual(notified, ["n"])
      yield* session.terminate(cell)
    })
  )
})

// =============================================================================
// Bounds
// =============================================================================

describe("a host", () => {
  test(
    "gives each live cell of its clients one place, and a repeated request none",
    Effect.gen(function*() {
      const connected = yield* connect({ limits: Protocol.Limits.make({ maxLiveCells: 2 }) })
      const limits = Protocol.Limits.make({ maxLiveCells: 10 })
      const s = yield* connected.open({ limits })
      const t = yield* connected.open({ limits })
      const keyed = request({ idempotencyKey: "key" })
      const first = yield* s.create(keyed)
      const second = yield* t.create(keyed)
      assert.notStrictEqual(first.id, second.id)
      assert.deepInclude(yield* Effect.flip(t.create(request())), tooMany)
      assert.deepInclude(yield* Effect.flip(s.create(request({ idempotencyKey: "another" }))), tooMany)
      // The host is full, and still knows what it has made.
      assert.strictEqual((yield* s.create(keyed)).id, first.id)
      yield* s.terminate(first)
      const third = yield* t.create(request())
      assert.deepInclude(yield* Effect.flip(s.create(request())), tooMany)
      // One whose cell is gone is answered, and takes no place.
      yield* t.terminate(second)
      assert.strictEqual((yield* t.create(keyed)).id, second.id)
      yield* s.create(request())
      assert.deepInclude(yield* Effect.flip(s.create(request())), tooMany)
      // The places of a session are free once it is over.
      yield* t.terminate(third)
      yield* s.shutdown
      yield* t.create(request())
      yield* t.create(request())
      assert.deepInclude(yield* Effect.flip(t.create(request())), tooMany)
    })
  )

  test(
    "does not count as made what was not",
    Effect.gen(function*() {
      const connected = yield* connect({ limits: Protocol.Limits.make({ maxLiveCells: 1 }) })
      const limits = Protocol.Limits.make({ maxSourceBytes: 1 })
      const s = yield* connected.open({ limits })
      const t = yield* connected.open({ limits })
      const refused = yield* Effect.flip(s.create(request({ idempotencyKey: "key", source: "//" })))
      assert.deepInclude(refused, { _tag: "CapacityExceeded", limit: "maxSourceBytes" })
      const first = yield* t.create(request({ idempotencyKey: "key" }))
      assert.deepInclude(yield* Effect.flip(s.create(request({ idempotencyKey: "key" }))), tooMany)
      // Nor is one forgotten that was made and is asked for wrongly.
      const conflict = yield* Effect.flip(t.create(request({ idempotencyKey: "key", source: "/" })))
      assert.deepInclude(conflict, { _tag: "IdempotencyConflict" })
      assert.strictEqual((yield* t.create(request({ idempotencyKey: "key" }))).id, first.id)
    })
  )

  test(
    "sends output in pieces that fit, or says that one does not",
    Effect.gen(function*() {
      const { session } = yield* open({ maxFrameBytes: 1000 })
      const { cell, isolate } = yield* create(session)
      const read: Array<string> = []
      const reading = yield* background(
        Effect.flip(
          Stream.runForEach(session.output(cell), (item) => Effect.sync(() => read.push(...texts({ items: [item] }))))
        )
      )
      yield* settle
      const lines = Array.from({ length: 10 }, (_, index) => String(index).repeat(300))
      yield* isolate.emit(output(...lines))
      yield* Effect.repeat(Effect.yieldNow, { until: () => read.length === lines.length })
      assert.deepStrictEqual(read, lines)
      yield* isolate.emit(output("x".repeat(1000)))
      assert.match((yield* Fiber.join(reading)).message, /^the answer is too long: code-mode IPC frame length/)
    })
  )

  test(
    "says that an answer does not fit, and the cell goes on",
    Effect.gen(function*() {
      const { session } = yield* open({ maxFrameBytes: 1000, invokeTool: () => Effect.succeed("x".repeat(1000)) })
      const { cell, isolate } = yield* create(session)
      yield* isolate.emit(output("x".repeat(1000)), yieldRequested)
      const refused = yield* Effect.flip(session.observe(cell))
      assert.match(refused.message, /^the answer is too long: /)
      const large = JSON.stringify("x".repeat(1000))
      yield* isolate.emit(calls("a"), {
        _tag: "ToolCalls",
        calls: [{ id: toolCallId("b"), tool: 0, input: large }]
      })
      yield* Effect.repeat(Effect.yieldNow, { until: () => isolate.commands.length === 2 })
      const errors = isolate.commands.map((command) =>
        "text" in command ? command.text.replace(/\d{4} exceeds.*/, "") : ""
      )
      assert.sameMembers(errors, [
        "the result is too long: code-mode IPC frame length ",
        "code-mode IPC frame length "
      ])
      yield* isolate.emit(output("a"), finished())
      assert.deepStrictEqual(say(yield* session.observe(cell)), ["Completed", "a"])
    })
  )

  test(
    "takes so many requests of a client at a time, and no more",
    Effect.gen(function*() {
      const { session } = yield* open()
      const { cell } = yield* create(session)
      for (let count = 0; count < 4096; count++) {
        yield* background(session.awaitSettled(cell.id))
      }
      const refused = yield* Effect.flip(session.awaitSettled(cell.id))
      assert.strictEqual(refused.message, "the host has too many requests under way")
      assert.strictEqual((yield* Effect.flip(session.create(request())))._tag, "IsolateFailure")
    })
  )

  test(
    "does not hear a client that asks and asks, and does not read",
    Effect.gen(function*() {
      const { connections, session, toClient } = yield* open()
      const { rpc } = yield* connections
      yield* toClient.hold
      for (let count = 0; count < 9000; count++) {
        yield* background(Effect.ignore(rpc.Cells({ session: 1 })))
      }
      yield* settle
      const creation = yield* background(session.create(request()))
      yield* settle
      const isolate = yield* background(next)
      yield* settle
      assert.isUndefined(isolate.pollUnsafe())
      yield* toClient.release
      yield* Fiber.join(creation)
      yield* Fiber.join(isolate)
    })
  )

  test(
    "leaves in the cells what a client does not read",
    Effect.gen(function*() {
      const { session, toClient } = yield* open({
        limits: Protocol.Limits.make({ maxUndeliveredOutputBytes: 3_000_000 })
      })
      const { cell, isolate } = yield* create(session)
      yield* session.observe(cell, { yieldAfter: 0 })
      const large = yield* create(session)
      const first = yield* background(session.observe(large.cell))
      yield* settle
      yield* toClient.hold
      yield* large.isolate.emit(output("y".repeat(2_000_000)), finished())
      yield* settle
      const observation = yield* background(session.observe(cell))
      yield* settle
      for (let time = 0; time < 2; time++) {
        yield* isolate.emit(output("z".repeat(2_000_000)), yieldRequested)
        yield* settle
      }
      yield* toClient.release
      yield* Fiber.join(first)
      const event = yield* Fiber.join(observation)
      assert(event._tag === "Completed")
      assert.match(event.error!.text, /more than 3000000 bytes that were not read/)
    })
  )

  test(
    "refuses sessions that it does not know, that are there already, or that are too many",
    Effect.gen(function*() {
      const { connections, session } = yield* open()
      const { rpc } = yield* connections
      const ask = (options: Partial<Rpcs.Payload<"Open">>) =>
        Effect.flip(Stream.runDrain(rpc.Open({ session: 2, version: Rpcs.version, tools: [], ...options })))
      assert.strictEqual(
        (yield* ask({ version: 7 })).message,
        `this host speaks version ${Rpcs.version} of remote sessions, and not 7`
      )
      assert.strictEqual((yield* ask({ session: 1 })).message, "session 1 is open already")
      assert.strictEqual((yield* Effect.flip(rpc.Cells({ session: 9 }))).message, "unknown session 9")
      for (let id = 2; id <= 1024; id++) {
        yield* background(Effect.ignore(Stream.runDrain(rpc.Open({ session: id, version: Rpcs.version, tools: [] }))))
      }
      assert.strictEqual((yield* ask({ session: 1025 })).message, "the host has too many sessions")
      assert.deepStrictEqual(yield* session.cells, [])
    })
  )

  test(
    "takes a ticket once",
    Effect.gen(function*() {
      const { connections, session } = yield* open()
      const { rpc } = yield* connections
      const { cell } = yield* create(session)
      const ticketed = { session: 1, cellId: cell.id, ticket: 77 }
      const first = yield* background(rpc.Terminate(ticketed))
      assert.deepStrictEqual(say(yield* Fiber.join(first)), ["Terminated"])
      assert.strictEqual((yield* Effect.flip(rpc.Terminate(ticketed))).message, "ticket 77 is used already")
      yield* rpc.Received({ session: 1, ticket: 77, heard: true })
      assert.strictEqual((yield* Effect.flip(rpc.Terminate(ticketed)))._tag, "MissingCell")
    })
  )
})

describe("a client that never says what it has received", () => {
  test(
    "does not hold up the end of its session",
    Effect.gen(function*() {
      const { connections, session } = yield* open()
      const { rpc } = yield* connections
      const [told, observed] = [yield* create(session), yield* create(session)]
      yield* rpc.Terminate({ session: 1, cellId: told.cell.id, ticket: 101 })
      const observing = yield* background(
        rpc.Observe({ session: 1, cellId: observed.cell.id, ticket: 102, yieldAfter: Duration.infinity })
      )
      yield* settle
      yield* rpc.Shutdown({ session: 1 })
      assert.deepStrictEqual(say(yield* Fiber.join(observing)), ["Terminated"])
    })
  )
})

describe("sessions of one connection", () => {
  test(
    "do not notice each other's end",
    Effect.gen(function*() {
      const connected = yield* connect()
      const s = yield* connected.open()
      const t = yield* connected.open()
      const { cell, isolate } = yield* create(t)
      const gone = yield* create(s)
      yield* s.shutdown
      assert.deepInclude(gone.isolate.commands, { _tag: "Stop" })
      yield* isolate.emit(output("a"), finished())
      assert.deepStrictEqual(say(yield* t.observe(cell)), ["Completed", "a"])
    })
  )

  test(
    "are lost together, and their cells stopped",
    Effect.gen(function*() {
      const connected = yield* connect()
      const s = yield* connected.open()
      const t = yield* connected.open()
      const mine = yield* create(s)
      const theirs = yield* create(t)
      const observers = [yield* background(s.observe(mine.cell)), yield* background(t.observe(theirs.cell))]
      yield* settle
      yield* connected.cut("it died")
      for (const observer of observers) {
        assert.deepInclude(yield* Fiber.join(observer), { error: { _tag: "IsolateLost", text: "it died" } })
      }
      assert.deepStrictEqual(yield* connected.ended, Exit.void)
      for (const { isolate } of [mine, theirs]) {
        assert.deepInclude(isolate.commands, { _tag: "Stop" })
      }
    })
  )

  test(
    "have the values that they were given",
    Effect.gen(function*() {
      const connected = yield* connect()
      const storedValues = JSON.parse("{\"__proto__\":1,\"a\":[null]}")
      const session = yield* connected.open({ storedValues })
      assert.deepStrictEqual(JSON.stringify(yield* session.storedValues), JSON.stringify(storedValues))
    })
  )
})

// =============================================================================
// What is no client
// =============================================================================

describe("a client that says anything at all", () => {
  const messages = [
    { _tag: "Request", id: 1, tag: "Cells", payload: { session: 1 }, headers: [] },
    { _tag: "Request", id: 2, tag: "Observe", payload: { session: 1, cellId: "", yieldAfter: 1 }, headers: [] },
    { _tag: "Request", id: 3, tag: "Open", payload: { session: 1, version: 1, tools: [] }, headers: [] },
    { _tag: "Request", id: 4, tag: "Shutdown", payload: { session: 1 }, headers: [] },
    { _tag: "Request", id: null, tag: "__proto__", payload: {} },
    { _tag: "Request" },
    { _tag: "Ack", requestId: 3 },
    { _tag: "Interrupt", requestId: 3 },
    { _tag: "Interrupt" },
    { _tag: "Exit", requestId: 1, exit: {} },
    { _tag: "Chunk", requestId: 1, values: 7 },
    { _tag: "Eof" },
    { _tag: "Ping" }
  ]

  for (const [name, make] of Object.entries(garbage(messages))) {
    it.live(`(${name}) costs itself its connection at the most`, () =>
      Effect.gen(function*() {
        for (let seed = 1; seed <= 40; seed++) {
          const { ended, leave, toHost } = yield* connect()
          yield* toHost.write(make(makeDice(seed)))
          yield* leave
          const exit = yield* ended
          if (Exit.isFailure(exit)) {
            const error = Exit.findErrorOption(exit)
            assert.deepInclude(error, { _tag: "Some" })
            assert.match(String(error), /the client broke the protocol: /)
          }
        }
      }).pipe(Effect.provide(Isolate.layerTest)))
  }

  test(
    "twice is told from one that says it once",
    Effect.gen(function*() {
      const { ended, toHost } = yield* connect()
      const opening = frame(messages[2])
      yield* toHost.write(Buffer.concat([opening, opening]))
      const exit = yield* ended
      assert.strictEqual(
        Exit.isFailure(exit) && String(Exit.findErrorOption(exit)),
        "some(effect-code-mode/ConnectionError: the client broke the protocol: it repeated a request)"
      )
    })
  )
})

// =============================================================================
// Where clients come from
// =============================================================================

describe("clients are served", () => {
  const use = Effect.fnUntraced(function*(wire: Wire.Wire) {
    const connections = yield* HostConnection.makeConnections(Effect.succeed(wire.way), undefined)
    const session = yield* RemoteSession.make(connections).pipe(Effect.provide(Delegate.layerNoop))
    const { cell, isolate } = yield* create(session)
    yield* isolate.emit(output("a"), finished())
    assert.deepStrictEqual(say(yield* session.observe(cell)), ["Completed", "a"])
    return session
  })

  test(
    "at standard input and output, wherever they lead",
    Effect.gen(function*() {
      const wire = yield* Wire.make
      const serving = yield* background(
        Remote.serveStdio().pipe(
          Effect.provide(Stdio.layerTest({ stdin: wire.host.input as never, stdout: () => wire.host.output as never }))
        )
      )
      const session = yield* use(wire)
      yield* session.shutdown
      yield* wire.leave
      yield* Fiber.join(serving)
    })
  )

  test(
    "at any server of sockets",
    Effect.gen(function*() {
      const wires = [yield* Wire.make, yield* Wire.make]
      const sockets = yield* Effect.forEach(
        wires,
        ({ host }) =>
          Effect.map(
            Stream.toPull(host.input as Stream.Stream<Uint8Array>).pipe(Scope.provide(Scope.makeUnsafe())),
            (pull) =>
              Socket.make({
                reader: Effect.succeed({ pull: pull as never, upgrade: () => Effect.never }),
                writer: Effect.sync(() => {
                  const writeAll = (chunks: ReadonlyArray<Uint8Array | string>) =>
                    Stream.run(Stream.fromIterable(chunks as ReadonlyArray<Uint8Array>), host.output) as Effect.Effect<
                      never
                    >
                  return { write: () => Effect.never, writeAll }
                })
              })
          )
      )
      yield* background(
        Remote.serveSockets().pipe(
          Effect.provide(Layer.succeed(SocketServer, {
            address: unixPathAddress("/nowhere"),
            run: (handler) =>
              Effect.andThen(
                Effect.forEach(sockets, (socket) => Effect.exit(handler(socket)), { concurrency: "unbounded" }),
                Effect.never
              )
          }))
        )
      )
      for (const wire of wires) {
        yield* use(wire)
      }
    })
  )
})
