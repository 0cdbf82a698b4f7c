/** Hosts that are lost, late, or out of their mind, and what a session at them says. */
import { assert, describe, it } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import { capability } from "effect-code-mode/host/Extension"
import * as Frame from "effect-code-mode/host/Frame"
import * as Protocol from "effect-code-mode/Protocol"
import type * as Runtime from "effect-code-mode/Runtime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { anyValue, damage, type Dice, makeDice, randomBytes } from "./Dice.ts"
import * as RemoteFake from "./RemoteFake.ts"

type Session = Runtime.SessionRuntime["Service"]

const background = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const request: Protocol.CellRequest = { toolCallId: "call-1", source: "text(1)", tools: [] }
const id = Protocol.CellId.make("1")
const continuing: Runtime.Cell = { "~effect-code-mode/Runtime/Cell": "continuing", id }
const pausable: Runtime.PausableCell = { "~effect-code-mode/Runtime/Cell": "pausable", id }
const yielded = { Yielded: { cell_id: "1", content_items: [] } }

/** A host with one cell that runs, and a session at it. */
const withCell = Effect.fnUntraced(function*(extended: boolean) {
  const host = new RemoteFake.FakeHost()
  const session = yield* RemoteFake.open([host], { capabilities: extended ? [capability] : [] })
  const execution = yield* background(session.execute(request, { yieldAfter: 0 }))
  if (extended) {
    const create = yield* host.asked("create")
    yield* host.happened({ _tag: "Admitted", cellId: id })
    yield* host.tell(create, id)
    yield* Fiber.join(execution)
  } else {
    const execute = yield* host.start(id)
    yield* host.respond(execute, yielded)
    yield* (yield* Fiber.join(execution)).initial
  }
  return { host, session }
})

/** What a session can ask, and what it hears when the host is lost before it answers. */
interface Operation {
  readonly ask: (session: Session) => Effect.Effect<unknown, { readonly _tag: string; readonly message: string }>
  readonly heard: unknown
  /** How long the host may take, in seconds; without it, for ever. */
  readonly patience?: number
}

const lost = { _tag: "Completed", cellId: id, items: [], error: { _tag: "IsolateLost" } }
const unmade = { _tag: "IsolateFailure" }
const stale = { _tag: "MissingCell" }

const shared: Record<string, Operation> = {
  execute: { ask: (session) => session.execute(request), heard: unmade, patience: 61 },
  create: { ask: (session) => session.create(request), heard: unmade, patience: 61 },
  observe: { ask: (session) => session.observe(continuing), heard: lost },
  "observe for a while": {
    ask: (session) => session.observe(continuing, { yieldAfter: "5 seconds" }),
    heard: lost,
    patience: 66
  },
  terminate: { ask: (session) => session.terminate(continuing), heard: lost, patience: 61 },
  awaitSettled: { ask: (session) => session.awaitSettled(id), heard: "Failed" },
  output: { ask: (session) => Stream.runCollect(session.output(continuing)), heard: [] },
  shutdown: { ask: (session) => session.shutdown, heard: undefined }
}

const extended: Record<string, Operation> = {
  ...shared,
  createPausable: { ask: (session) => session.createPausable(request), heard: unmade, patience: 61 },
  "observe under a key": {
    ask: (session) => session.observe(continuing, { idempotencyKey: "key", yieldAfter: 0 }),
    heard: lost,
    patience: 61
  },
  awaitFrontier: { ask: (session) => session.awaitFrontier(pausable), heard: lost },
  resume: { ask: (session) => session.resume(pausable, Protocol.Generation.make(1)), heard: stale, patience: 61 },
  yieldNow: { ask: (session) => session.yieldNow(continuing), heard: stale, patience: 61 },
  cell: { ask: (session) => session.cell(id), heard: stale, patience: 61 },
  cells: { ask: (session) => session.cells, heard: [], patience: 61 },
  storedValues: { ask: (session) => session.storedValues, heard: {}, patience: 61 }
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

for (
  const [name, isExtended, operations] of [["version 1", false, shared], ["our capability", true, extended]] as const
) {
  describe(`a host that speaks ${name}`, () => {
    for (const [operation, { ask, heard, patience }] of Object.entries(operations)) {
      it.effect(`and is lost during ${operation}`, () =>
        Effect.gen(function*() {
          const { host, session } = yield* withCell(isExtended)
          const steps: Array<string> = []
          yield* background(
            Stream.runForEach(session.events, (event) => Effect.sync(() => steps.push(event._tag)))
          )
          const asking = yield* background(Effect.exit(ask(session)))
          if (isExtended || operation !== "awaitSettled" && operation !== "output") {
            yield* host.next
          }
          assert.isUndefined(asking.pollUnsafe())
          yield* host.die("it died")
          assertHeard(yield* Fiber.join(asking), heard, "it died")
          yield* Effect.repeat(Effect.yieldNow, { until: () => steps.length === 2 })
          assert.deepStrictEqual(steps, ["Settled", "Closed"])
        }))

      it.effect(
        patience === undefined
          ? `may take its time over ${operation}`
          : `and takes longer than ${patience} seconds over ${operation} is given up`,
        () =>
          Effect.gen(function*() {
            const { host, session } = yield* withCell(isExtended)
            const asking = yield* background(Effect.exit(ask(session)))
            if (patience === undefined) {
              if (operation !== "shutdown") {
                yield* TestClock.adjust("1 day")
                assert.isUndefined(asking.pollUnsafe())
              }
              return
            }
            yield* host.next
            yield* TestClock.adjust(patience * 1000 - 1)
            assert.isUndefined(asking.pollUnsafe())
            yield* TestClock.adjust(1)
            const method = operation.split(" ")[0]!
            const what = { createPausable: "create", cell: "find" }[method] ?? (isExtended && method === "execute"
              ? "create"
              : !isExtended && method === "create"
              ? "execute"
              : !isExtended && method === "observe"
              ? "wait"
              : method)
            assertHeard(
              yield* Fiber.join(asking),
              heard,
              `code-mode host timed out waiting for ${what} response`
            )
            // The whole host is given up, and not this request alone.
            assertHeard(yield* Effect.exit(session.observe(continuing)), stale, "")
          })
      )
    }

    it.effect("and does not answer an observation that was taken back is given up", () =>
      Effect.gen(function*() {
        const { host, session } = yield* withCell(isExtended)
        const first = yield* background(session.observe(continuing))
        yield* host.next
        yield* Fiber.interrupt(first)
        yield* host.take(isExtended ? "extension/cancel" : "operation/cancel")
        const next = yield* background(Effect.exit(session.observe(continuing)))
        yield* TestClock.adjust(60_999)
        assert.isUndefined(next.pollUnsafe())
        yield* TestClock.adjust(1)
        assertHeard(yield* Fiber.join(next), lost, "code-mode host timed out waiting for cancel response")
      }))

    it.effect("and does not close a session in time is not waited for", () =>
      Effect.gen(function*() {
        const { session } = yield* withCell(isExtended)
        const shutdown = yield* background(session.shutdown)
        yield* TestClock.adjust(1_099)
        assert.isUndefined(shutdown.pollUnsafe())
        yield* TestClock.adjust(1)
        yield* Fiber.join(shutdown)
      }))

    it.effect("has no cells after the end of its session", () =>
      Effect.gen(function*() {
        const { session } = yield* withCell(isExtended)
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
        const { host, session } = yield* withCell(isExtended)
        const refused = yield* Effect.flip(session.create({ ...request, source: " ".repeat(Frame.maxPayload) }))
        assert.deepInclude(refused, { _tag: "CapacityExceeded", limit: "frame" })
        assert.match(refused.message, /request exceeds the IPC frame limit: code-mode IPC frame length \d+ exceeds/)
        const observation = yield* background(session.observe(continuing))
        yield* host.next
        assert.isUndefined(observation.pollUnsafe())
      }))

    it.effect("and does not open a session in time is given up", () =>
      Effect.gen(function*() {
        const host = new RemoteFake.FakeHost()
        const opening = yield* background(RemoteFake.open([host], { silent: [host] }))
        yield* host.take("connection/hello")
        yield* host.send({
          type: "connection/ready",
          selectedVersion: 1,
          capabilities: isExtended ? [capability] : []
        })
        yield* host.next
        yield* TestClock.adjust(60_999)
        assert.isUndefined(opening.pollUnsafe())
        yield* TestClock.adjust(1)
        const failure = yield* Effect.flip(Fiber.join(opening))
        assert.strictEqual(failure.message, "code-mode host timed out waiting for open response")
      }))
  })
}

describe("a host that says nothing at all", () => {
  it.effect("is given up after 30 seconds", () =>
    Effect.gen(function*() {
      const host = new RemoteFake.FakeHost()
      const opening = yield* background(Effect.flip(RemoteFake.open([host], { silent: [host] })))
      yield* host.take("connection/hello")
      yield* TestClock.adjust(29_999)
      assert.isUndefined(opening.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(opening)).message, "timed out negotiating with the code-mode host")
    }))

  it.effect("does not hold up the end of the session", () =>
    Effect.gen(function*() {
      const [first, second] = [new RemoteFake.FakeHost(), new RemoteFake.FakeHost()]
      const session = yield* RemoteFake.open([first, second], { silent: [second] })
      yield* first.die("it died")
      const creation = yield* background(Effect.flip(session.create(request)))
      yield* second.take("connection/hello")
      yield* session.shutdown
      // A host that is played does not notice that it is to go.
      yield* second.die("it was told to go")
      assert.strictEqual((yield* Fiber.join(creation))._tag, "ShuttingDown")
    }))
})

describe("a host that floods its client", () => {
  it.effect("with output loses the reader who does not keep up", () =>
    Effect.gen(function*() {
      const { host, session } = yield* withCell(true)
      const items = Array.from({ length: 200_000 }, () => ({ type: "input_text", text: "" }))
      const slow = Latch.makeUnsafe()
      const reading = yield* background(
        Effect.flip(Stream.runForEach(session.output(continuing), () => slow.await))
      )
      const output = yield* host.asked("output")
      for (let turn = 0; turn < 6; turn++) {
        yield* host.send({ type: "extension/output", id: output, items })
      }
      // Nobody else is lost.
      const observation = yield* background(session.observe(continuing))
      yield* host.next
      assert.isUndefined(observation.pollUnsafe())
      yield* slow.open
      assert.strictEqual((yield* Fiber.join(reading))._tag, "Lagged")
    }))

  it.effect("with requests is given up", () =>
    Effect.gen(function*() {
      const host = new RemoteFake.FakeHost()
      const session = yield* RemoteFake.open([host], {
        capabilities: ["session-cell-execution-resource-limits"],
        limits: Protocol.Limits.make({ maxPendingCallbacks: 2 }),
        delegate: Delegate.Delegate.of({ tools: [], invokeTool: () => Effect.never, notify: () => Effect.never })
      })
      const execution = yield* background(session.execute(request))
      const execute = yield* host.start(id)
      const { initial } = yield* Fiber.join(execution)
      yield* host.respond(execute, yielded)
      yield* initial
      const observation = yield* background(session.observe(continuing))
      yield* host.request("session/wait")
      for (let call = 1; call <= 3; call++) {
        assert.isUndefined(observation.pollUnsafe())
        yield* host.send({
          type: "delegate/request",
          id: call,
          sessionId: "session-1",
          request: { type: "notification/send", callId: "call-1", cellId: id, text: "n" }
        })
        yield* Effect.yieldNow
      }
      assertHeard(
        yield* Effect.exit(Fiber.join(observation)),
        lost,
        "the code-mode host broke the protocol: it has more than 2 delegate requests of cell 1 open"
      )
    }))
})

describe("a host with many cells", () => {
  it.effect("may ask for each as much as for one", () =>
    Effect.gen(function*() {
      const host = new RemoteFake.FakeHost()
      const session = yield* RemoteFake.open([host], {
        capabilities: [capability],
        limits: Protocol.Limits.make({ maxPendingCallbacks: 1 }),
        delegate: Delegate.Delegate.of({ tools: [], invokeTool: () => Effect.never, notify: () => Effect.never })
      })
      for (const [index, cellId] of ["a", "b"].entries()) {
        const creation = yield* background(session.create(request))
        const create = yield* host.asked("create")
        yield* host.happened({ _tag: "Admitted", cellId })
        yield* host.tell(create, cellId)
        yield* Fiber.join(creation)
        yield* host.send({
          type: "delegate/request",
          id: index,
          sessionId: "session-1",
          request: { type: "notification/send", callId: "call-1", cellId, text: "n" }
        })
        yield* Effect.yieldNow
      }
      const finding = yield* background(session.cell(Protocol.CellId.make("a")))
      yield* host.tell(yield* host.asked("find"), null)
      yield* Fiber.join(finding)
    }))
})

describe("a host that says anything at all", () => {
  const messages = [
    { type: "operation/response", id: 3, result: { status: "ok", value: { type: "session/closed", sessionId: "s" } } },
    { type: "execute/initialResponse", id: 3, result: { status: "error", message: "no" } },
    { type: "extension/response", id: 3, result: { status: "cancelled" } },
    { type: "extension/event", sessionId: "s", event: { _tag: "Closed", cellId: "1" } },
    { type: "delegate/cancel", id: 3 },
    {
      type: "delegate/request",
      id: 3,
      sessionId: "s",
      request: { type: "notification/send", callId: "", cellId: "1", text: "" }
    },
    { type: "cell/closed", sessionId: "s", cellId: "1" }
  ]
  const frame = (value: unknown) => Frame.encode(JSON.stringify(value)) as Buffer

  const garbage: Record<string, (dice: Dice) => Uint8Array> = {
    "random bytes": (dice) => randomBytes(dice, 4 + dice.below(2000)),
    "random payloads": (dice) => {
      const payload = randomBytes(dice, dice.below(200))
      return Buffer.concat([Buffer.from([payload.length, 0, 0, 0]), payload])
    },
    "random JSON": (dice) => frame(anyValue(dice, 0)),
    "messages in any order": (dice) =>
      Buffer.concat(Array.from({ length: 20 }, () => frame({ ...dice.pick(messages), id: dice.below(6) }))),
    "damaged messages": (dice) =>
      damage(dice, damage(dice, Buffer.concat(Array.from({ length: 20 }, () => frame(dice.pick(messages))))))
  }

  for (const [name, make] of Object.entries(garbage)) {
    for (const isExtended of [false, true]) {
      it.live(`${name}, ${isExtended ? "with" : "without"} the capability, costs its cells and no more`, () =>
        Effect.gen(function*() {
          for (let seed = 1; seed <= 30; seed++) {
            const next = new RemoteFake.FakeHost()
            const hosts = [new RemoteFake.FakeHost(), next]
            const [host] = hosts
            const capabilities = isExtended ? [capability] : []
            const session = yield* RemoteFake.open(hosts, { capabilities })
            const execution = yield* background(Effect.exit(session.execute(request)))
            yield* host!.next
            yield* host!.write(make(makeDice(seed)))
            // Whatever it said, it is over now.
            yield* Effect.sleep("1 millis")
            yield* host!.die("it died")
            const exit = yield* Fiber.join(execution)
            if (Exit.isSuccess(exit)) {
              assert.strictEqual((yield* Effect.flip(session.observe(exit.value.cell)))._tag, "MissingCell")
            }
            const again = yield* background(Effect.exit(session.execute(request)))
            yield* next.next
            yield* next.die("it died, too")
            assertHeard(yield* Fiber.join(again), unmade, "")
          }
        }))
    }
  }
})
