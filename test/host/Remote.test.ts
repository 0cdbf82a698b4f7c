import { assert, describe, it } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import { capability } from "effect-code-mode/host/Extension"
import * as RemoteRuntime from "effect-code-mode/host/RemoteRuntime"
import * as RemoteTransport from "effect-code-mode/host/RemoteTransport"
import * as Protocol from "effect-code-mode/Protocol"
import type * as Runtime from "effect-code-mode/Runtime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { ChildProcess } from "node:child_process"
import * as HostProcess from "./HostProcess.ts"
import * as RemoteFake from "./RemoteFake.ts"

const background = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const request = (source: string): Protocol.CellRequest => ({ toolCallId: "call-1", source, tools: [] })

const item = (text: string) => ({ type: "input_text", text }) as const

const result = (cellId: string, ...texts: ReadonlyArray<string>) => ({
  Result: { cell_id: cellId, content_items: texts.map(item), error_text: null }
})

const yielded = (cellId: string, ...texts: ReadonlyArray<string>) => ({
  Yielded: { cell_id: cellId, content_items: texts.map(item) }
})

const completed = (cellId: string, ...texts: ReadonlyArray<string>): Protocol.Completed => ({
  _tag: "Completed",
  cellId: Protocol.CellId.make(cellId),
  items: texts.map(item)
})

const waited = (outcome: object) => ({ type: "wait/completed", outcome: { LiveCell: outcome } })

/** A cell that has yielded once. */
const startCell = Effect.fnUntraced(function*(
  session: Runtime.SessionRuntime["Service"],
  host: RemoteFake.FakeHost,
  cellId: string
) {
  const execution = yield* background(session.execute(request("text(1)")))
  const id = yield* host.start(cellId)
  const { cell, initial } = yield* Fiber.join(execution)
  yield* host.respond(id, yielded(cellId))
  yield* initial
  return cell
})

const lost = (text: string) => (event: Protocol.CellEvent) => {
  assert(event._tag === "Completed")
  assert.deepStrictEqual(event.error, { _tag: "IsolateLost", text })
}

describe("a client of a host that speaks version 1", () => {
  it.live("takes answers with fields that it does not know, and without those it does not need", () =>
    Effect.gen(function*() {
      const host = new RemoteFake.FakeHost()
      const session = yield* RemoteFake.open([host])
      const execution = yield* background(session.execute(request("text(1)")))
      const id = yield* host.start("1")
      const { initial } = yield* Fiber.join(execution)
      yield* host.respond(id, { Result: { ...result("1", "a").Result, something_new: { a: [1] } } })
      assert.deepStrictEqual(yield* initial, completed("1", "a"))
    }))

  it.live("turns texts into typed errors", () =>
    Effect.gen(function*() {
      const host = new RemoteFake.FakeHost()
      const session = yield* RemoteFake.open([host])
      const refusals = {
        "code mode session is shutting down": "ShuttingDown",
        "code-mode host has too many active cells": "CapacityExceeded",
        "anything else": "IsolateFailure"
      }
      for (const [text, tag] of Object.entries(refusals)) {
        const execution = yield* background(Effect.flip(session.execute(request("text(1)"))))
        yield* host.refuse(yield* host.request("session/execute"), text)
        assert.strictEqual((yield* Fiber.join(execution))._tag, tag)
      }
      const cell = yield* startCell(session, host, "1")
      const observation = yield* background(Effect.flip(session.observe(cell)))
      yield* host.refuse(yield* host.request("session/wait"), "exec cell 1 already has an active observer")
      assert.strictEqual((yield* Fiber.join(observation))._tag, "BusyObserver")
      const termination = yield* background(Effect.flip(session.terminate(cell)))
      yield* host.refuse(yield* host.request("session/terminate"), "exec cell 1 is already terminating")
      assert.strictEqual((yield* Fiber.join(termination))._tag, "AlreadyTerminating")
    }))

  it.live("takes an interrupted observation back, and holds the next one back until that is done", () =>
    Effect.gen(function*() {
      const host = new RemoteFake.FakeHost()
      const session = yield* RemoteFake.open([host])
      const cell = yield* startCell(session, host, "1")
      const first = yield* background(session.observe(cell))
      const id = yield* host.request("session/wait")
      yield* Fiber.interrupt(first)
      assert.strictEqual((yield* host.take("operation/cancel")).id, id)
      const second = yield* background(session.observe(cell))
      const termination = yield* background(Effect.exit(session.terminate(cell)))
      // Had the second observation gone out, it would have come before.
      const terminate = yield* host.request("session/terminate")
      yield* host.refuse(id, "code-mode request cancelled")
      yield* host.answer(yield* host.request("session/wait"), waited(result("1", "a")))
      assert.deepStrictEqual(yield* Fiber.join(second), completed("1", "a"))
      yield* host.refuse(terminate, "exec cell 1 is already terminating")
      yield* Fiber.join(termination)
    }))

  it.live("keeps what an interrupted observation was told after all", () =>
    Effect.gen(function*() {
      const host = new RemoteFake.FakeHost()
      const session = yield* RemoteFake.open([host])
      const cell = yield* startCell(session, host, "1")
      const first = yield* background(session.observe(cell))
      const id = yield* host.request("session/wait")
      yield* Fiber.interrupt(first)
      yield* host.take("operation/cancel")
      yield* host.answer(id, waited(result("1", "a")))
      assert.deepStrictEqual(yield* session.observe(cell), completed("1", "a"))
    }))

  it.live("ends a cell whose creator has gone", () =>
    Effect.gen(function*() {
      const host = new RemoteFake.FakeHost()
      const session = yield* RemoteFake.open([host])
      const creation = yield* background(session.execute(request("text(1)")))
      const id = yield* host.request("session/execute")
      yield* Fiber.interrupt(creation)
      assert.strictEqual((yield* host.take("operation/cancel")).id, id)
      yield* host.answer(id, { type: "execution/started", cellId: "1" })
      yield* host.request("session/terminate")
    }))

  it.live("runs callbacks, and answers none that was cancelled", () =>
    Effect.gen(function*() {
      const interrupted = yield* Deferred.make<void>()
      const host = new RemoteFake.FakeHost()
      const session = yield* RemoteFake.open([host], {
        delegate: Delegate.Delegate.of({
          tools: [],
          invokeTool: ({ input, toolName }) =>
            toolName.name === "echo"
              ? Effect.succeed(input ?? null)
              : Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)),
          notify: () => Effect.void
        })
      })
      yield* startCell(session, host, "1")
      const invoke = (id: number, name: string, cellId = "1") =>
        host.send({
          type: "delegate/request",
          id,
          sessionId: "session-1",
          request: {
            type: "tool/invoke",
            invocation: {
              cell_id: cellId,
              runtime_tool_call_id: `tool-${id}`,
              tool_name: { name, namespace: null },
              tool_kind: "function",
              input: { a: 1 }
            }
          }
        })
      yield* invoke(1, "block")
      yield* host.send({ type: "delegate/cancel", id: 1 })
      yield* Deferred.await(interrupted)
      yield* invoke(2, "echo")
      assert.deepStrictEqual(yield* host.take("delegate/response"), {
        type: "delegate/response",
        id: 2,
        result: { status: "ok", value: { type: "tool/result", result: { a: 1 } } }
      })
      yield* invoke(3, "echo", "7")
      assert.deepStrictEqual((yield* host.take("delegate/response")).result, {
        status: "error",
        message: "unknown code-mode cell 7"
      })
    }))

  it.live("gives a host up that breaks the protocol", () =>
    Effect.gen(function*() {
      const violations: Record<string, (host: RemoteFake.FakeHost, wait: number) => Effect.Effect<void>> = {
        "the code-mode host answered request 99, which nobody made": (host) => host.refuse(99, "x"),
        "code-mode host returned cell 2 for request targeting 1": (host, wait) =>
          host.answer(wait, waited(result("2"))),
        "the code-mode host broke the protocol: it answered a request with session/ready": (host, wait) =>
          host.answer(wait, { type: "session/ready", sessionId: "session-1" }),
        "the code-mode host broke the protocol: it closed the unknown cell 9": (host) =>
          host.send({ type: "cell/closed", sessionId: "session-1", cellId: "9" }),
        "the code-mode host repeated its handshake": (host) =>
          host.send({ type: "connection/ready", selectedVersion: 1, capabilities: [] })
      }
      for (const [text, violate] of Object.entries(violations)) {
        const host = new RemoteFake.FakeHost()
        const session = yield* RemoteFake.open([host])
        const cell = yield* startCell(session, host, "1")
        const observation = yield* background(session.observe(cell))
        yield* violate(host, yield* host.request("session/wait"))
        lost(text)(yield* Fiber.join(observation))
      }
    }))

  it.live("closes each cell once when the host is lost, and starts the next generation", () =>
    Effect.gen(function*() {
      const [first, second] = [new RemoteFake.FakeHost(), new RemoteFake.FakeHost()]
      const session = yield* RemoteFake.open([first, second])
      const steps: Array<string> = []
      yield* background(
        Stream.runForEach(session.events, (event) => Effect.sync(() => steps.push(`${event._tag} ${event.cellId}`)))
      )
      const cell = yield* startCell(session, first, "1")
      const observation = yield* background(session.observe(cell))
      yield* first.request("session/wait")
      yield* first.die("it died")
      lost("it died")(yield* Fiber.join(observation))
      assert.deepStrictEqual(yield* session.cells, [])

      const next = yield* startCell(session, second, "1")
      assert.strictEqual(next.id, "g2:1")
      for (const use of [session.observe(cell), session.terminate(cell), session.cell(cell.id)]) {
        const stale = yield* Effect.flip<unknown, Protocol.MissingCell | { readonly _tag: string }, never>(use)
        assert.deepInclude(stale, { _tag: "MissingCell" })
        assert.strictEqual(
          (stale as Protocol.MissingCell).message,
          "cell 1 belongs to a stale code-mode host generation"
        )
      }
      const termination = yield* background(session.terminate(next))
      yield* second.answer(
        yield* second.request("session/terminate"),
        waited({ Terminated: { cell_id: "1", content_items: [] } })
      )
      assert.strictEqual((yield* Fiber.join(termination)).cellId, "g2:1")
      yield* second.send({ type: "cell/closed", sessionId: "session-1", cellId: "1" })
      yield* Effect.repeat(Effect.yieldNow, { until: () => steps.length === 6 })
      assert.deepStrictEqual(steps, [
        "Admitted 1",
        "Settled 1",
        "Closed 1",
        "Admitted g2:1",
        "Settled g2:1",
        "Closed g2:1"
      ])
    }))

  it.live("refuses what version 1 cannot say", () =>
    Effect.gen(function*() {
      const host = new RemoteFake.FakeHost()
      const session = yield* RemoteFake.open([host])
      for (
        const creation of [
          session.createPausable(request("text(1)")),
          session.create({ ...request("text(1)"), idempotencyKey: "key" }),
          session.create({ ...request("text(1)"), language: "typescript" })
        ]
      ) {
        assert.strictEqual((yield* Effect.flip<unknown, Runtime.CreateError, never>(creation))._tag, "IsolateFailure")
      }
    }))
})

// =============================================================================
// Real hosts
// =============================================================================

describe("a session at a host process", () => {
  for (const offer of [RemoteRuntime.capabilities, []]) {
    it.live(`is followed by another when it is lost, ${offer.includes(capability) ? "with" : "without"} the capability`, () =>
      Effect.gen(function*() {
        const hosts: Array<ChildProcess> = []
        const calls: Array<string> = []
        const session = yield* RemoteRuntime.make({
          transport: Effect.gen(function*() {
            const { child, path } = yield* HostProcess.startUnix()
            hosts.push(child)
            return yield* RemoteTransport.connectHost(path)
          }),
          offer,
          limits: undefined,
          storedValues: undefined
        }).pipe(Effect.provide(Delegate.layer({
          invokeTool: ({ cellId }) =>
            Effect.onInterrupt(
              Effect.andThen(Effect.sync(() => calls.push(`called by ${cellId}`)), Effect.never),
              () => Effect.sync(() => calls.push(`cancelled for ${cellId}`))
            )
        })))
        const { cell, initial } = yield* session.execute({
          toolCallId: "call-1",
          source: "store('k', 1); yield_control(); await tools.wait()",
          tools: [Delegate.definition("wait", { description: "", inputSchema: {} })]
        })
        yield* initial
        yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => calls.length === 1 })
        const observation = yield* background(session.observe(cell))
        hosts[0]!.kill("SIGKILL")
        lost("the code-mode host closed the connection")(yield* Fiber.join(observation))
        assert.deepStrictEqual(calls, [`called by ${cell.id}`, `cancelled for ${cell.id}`])
        const next = yield* session.execute({ toolCallId: "call-2", source: "text(String(load('k')))" })
        assert.deepStrictEqual((yield* next.initial).items, [item("undefined")])
        assert.notStrictEqual(next.cell.id, cell.id)
        const stale = yield* Effect.flip(session.observe(cell))
        assert.strictEqual(stale.message, `cell ${cell.id} belongs to a stale code-mode host generation`)
      }))
  }
})

describe("the capability", () => {
  const openExtension = { type: "extension/request", id: 1, request: { method: "open", sessionId: "s" } }

  it.live("is not there for a client that did not ask for it", () =>
    Effect.gen(function*() {
      const { client, ended } = yield* HostProcess.startStdio({ optional: ["yield-observation"] })
      client.send(openExtension)
      assert.strictEqual((yield* ended).status, 1)
    }))

  it.live("takes no field that it does not know", () =>
    Effect.gen(function*() {
      const { client, ended } = yield* HostProcess.startStdio({ optional: [capability] })
      client.send({ ...openExtension, request: { ...openExtension.request, more: 1 } })
      const { status, stderr } = yield* ended
      assert.strictEqual(status, 1)
      assert.include(stderr, "failed to decode code-mode IPC frame")
    }))

  it.live("carries the limits of a session", () =>
    Effect.gen(function*() {
      const { child, ended } = yield* HostProcess.start()
      const host = RemoteRuntime.make({
        transport: Effect.succeed({ input: child.stdout, output: child.stdin, onGone: () => {} }),
        offer: [capability],
        limits: Protocol.Limits.make({ maxLiveCells: 1 }),
        storedValues: undefined
      })
      const session = yield* Effect.provide(host, Delegate.layerNoop)
      const cell = yield* session.create(request("await new Promise(() => {})"))
      const refused = yield* Effect.flip(session.create(request("text(1)")))
      assert.strictEqual(refused.message, "the session has 1 live cells already")
      yield* session.terminate(cell)
      yield* session.shutdown
      child.stdin.end()
      assert.strictEqual((yield* ended).status, 0)
    }))
})
