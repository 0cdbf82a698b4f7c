import { assert, describe, it } from "@effect/vitest"
import type * as Delegate from "effect-code-mode/Delegate"
import * as Host from "effect-code-mode/Host"
import * as Isolate from "effect-code-mode/Isolate"
import * as Protocol from "effect-code-mode/Protocol"
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/testing/TestClock"
import { duplexPair } from "node:stream"
import { calls, finished, notify, output, started, toolCallId, yieldRequested } from "../session/TestSession.ts"
import { Client, say, sayMessage, type Told } from "./Client.ts"

/** A host and its client, at two ends of a pair of streams. */
const connect = Effect.fnUntraced(function*(options?: Host.Options) {
  const [hostSide, clientSide] = duplexPair()
  const serving = yield* Effect.forkScoped(
    Effect.exit(Host.serve({ input: hostSide, output: hostSide }, options)),
    { startImmediately: true }
  )
  const client = new Client(clientSide, clientSide)
  return { client, hostSide, clientSide, ended: Fiber.join(serving) }
})

/** The same, greeted and with a session `s`. */
const open = Effect.fnUntraced(function*(options: {
  readonly limits?: Protocol.Limits
  readonly capabilities?: ReadonlyArray<string>
  readonly open?: object
} = {}) {
  const connected = yield* connect({ limits: options.limits })
  yield* connected.client.hello({ optional: options.capabilities ?? [] })
  assert.deepStrictEqual(say(yield* connected.client.open("s", options.open)), ["session/ready"])
  return connected
})

/** Makes a cell and gives it with its isolate, which has started. */
const execute = Effect.fnUntraced(function*(client: Client, options?: Parameters<Client["execute"]>[1]) {
  const isolates = yield* Isolate.TestIsolates
  const execution = yield* client.execute("", { tools: ["tool"], ...options })
  const isolate = yield* isolates.next
  yield* isolate.emit(started)
  return { ...execution, isolate }
})

/** Waits until the host has dealt with everything that was sent to it, and its fibers have had their turn. */
const barrier = (client: Client) => Effect.andThen(client.shutdown("nobody"), Effect.yieldNow)

/** What the host said so far, in a few words. */
const said = (client: Client) => client.told.map(sayMessage)

/** The delegate requests that the client has not answered. */
const requests = (client: Client) =>
  client.told.filter((message): message is Told<"delegate/request"> => message.type === "delegate/request")

/** A delegate whose tools give the id of the call. */
const answerWithItsId: Delegate.Delegate["Service"] = {
  tools: [],
  invokeTool: ({ toolCallId }) => Effect.succeed(toolCallId),
  notify: () => Effect.void
}

const failure = (exit: Exit.Exit<void, Host.ConnectionError>) =>
  Exit.isSuccess(exit) ? undefined : Exit.findErrorOption(exit)

/** An engine whose isolates start when `gate` opens, and say at once what `events` says. */
const layerGated = (
  gate: Effect.Effect<void, Protocol.IsolateFailure>,
  events: ReadonlyArray<Isolate.IsolateEvent>
) => {
  const stopped: Array<string> = []
  const start = Effect.fnUntraced(function*({ source }: Isolate.Program) {
    yield* gate
    const queue = yield* Queue.unbounded<Isolate.IsolateEvent, Cause.Done>()
    Queue.offerAllUnsafe(queue, events)
    const handle: Isolate.IsolateHandle = {
      events: queue,
      isBusy: () => false,
      isDegraded: () => false,
      resolve: () => {},
      reject: () => {},
      hold: () => {},
      resume: () => {},
      stop: () => {
        stopped.push(source)
        Queue.endUnsafe(queue)
      }
    }
    return handle
  })
  return { layer: Layer.succeed(Isolate.Isolate, { lease: Effect.succeed({ start }) }), stopped }
}

describe("the handshake", () => {
  const greet = Effect.fnUntraced(function*(options?: Parameters<Client["hello"]>[0]) {
    const { client } = yield* connect()
    return yield* client.hello(options)
  })

  it.effect("grants what it knows of what was asked for, in order", () =>
    Effect.gen(function*() {
      const { capabilities } = (yield* greet({
        required: ["yield-observation"],
        optional: ["zeta", "session-cell-execution-resource-limits", "bounded-output-v1", "delegate-capacity-4096"]
      })) as Told<"connection/ready">
      assert.deepStrictEqual(capabilities, [
        "bounded-output-v1",
        "delegate-capacity-4096",
        "session-cell-execution-resource-limits",
        "yield-observation"
      ])
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("grants nothing that was not asked for, and speaks version 1", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* greet({ versions: [7, 1, 2] }), {
        type: "connection/ready",
        selectedVersion: 1,
        capabilities: []
      })
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("says no, and that is the end of it", () =>
    Effect.gen(function*() {
      for (
        const [options, reason] of [
          [{ versions: [2] }, { type: "noCompatibleVersion", supportedVersions: [1] }],
          [{ required: ["a"] }, { type: "missingRequiredCapability", capability: "a" }]
        ] as const
      ) {
        const { client, ended } = yield* connect()
        assert.deepStrictEqual(yield* client.hello(options), { type: "connection/rejected", reason })
        assert.deepStrictEqual(yield* ended, Exit.void)
      }
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("comes first", () =>
    Effect.gen(function*() {
      const { client, ended } = yield* connect()
      client.ask({ method: "session/open", sessionId: "s" })
      const rejected = yield* client.heardType("connection/rejected")
      assert.deepStrictEqual(rejected.reason, {
        type: "invalidHello",
        message: "first message must be connection/hello"
      })
      assert.deepStrictEqual(yield* ended, Exit.void)
    }).pipe(Effect.provide(Isolate.layerTest)))
})

describe("a client that does not keep to the protocol", () => {
  const cases: ReadonlyArray<readonly [name: string, spoil: (client: Client) => void, text: RegExp]> = [
    ["greets twice", (client) => {
      client.send({
        type: "connection/hello",
        supportedVersions: [1],
        requiredCapabilities: [],
        optionalCapabilities: []
      })
    }, /second code-mode client hello/],
    ["uses an id twice", (client) => {
      client.ask({ method: "session/shutdown", sessionId: "x" }, 77)
      client.ask({ method: "session/shutdown", sessionId: "x" }, 77)
    }, /duplicate code-mode request ID 77/],
    ["uses the id of what still runs", (client) => {
      client.ask({ method: "session/execute", sessionId: "s", request: execution }, 77)
      client.ask({ method: "session/shutdown", sessionId: "x" }, 77)
    }, /duplicate code-mode request ID 77/],
    ["sends no JSON", (client) => client.sendText("{"), /failed to decode/],
    ["sends no UTF-8", (client) => client.write(Buffer.from("\x01\0\0\0\xff", "latin1")), /UTF-8/],
    ["sends what a host says", (client) => client.send({ type: "delegate/cancel", id: 1 }), /failed to decode/],
    ["announces too much", (client) => client.write(Buffer.from([0xff, 0xff, 0xff, 0xff])), /exceeds 67108864 bytes/],
    ["leaves in the middle of a frame", (client) => {
      client.write(Buffer.from([5, 0, 0, 0, 1]))
      client.end()
    }, /in the middle of a frame/]
  ]
  const execution = { tool_call_id: "", enabled_tools: [], source: "" }

  for (const [name, spoil, text] of cases) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const { client, ended } = yield* open()
        spoil(client)
        const error = failure(yield* ended)
        assert.match(String(error), text)
      }).pipe(Effect.provide(Isolate.layerTest)))
  }

  it.effect("hears nothing any more", () =>
    Effect.gen(function*() {
      const { client, ended } = yield* open()
      const before = client.told.length
      client.sendText("{")
      client.ask({ method: "session/shutdown", sessionId: "x" })
      yield* ended
      assert.strictEqual(client.told.length, before)
    }).pipe(Effect.provide(Isolate.layerTest)))
})

describe("the order of messages", () => {
  it.effect("of a cell that runs through", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const { initial, isolate } = yield* execute(client)
      yield* isolate.emit(output("a"), calls("tool-1"))
      const { id } = yield* client.heardType("delegate/request")
      client.respond(id, 1)
      yield* barrier(client)
      yield* isolate.emit(finished())
      assert.deepStrictEqual(say(yield* initial), ["Result", "a"])
      yield* client.heardType("cell/closed")
      assert.deepStrictEqual(said(client), [
        "connection/ready",
        "operation/response session/ready",
        "operation/response execution/started",
        "delegate/request",
        "operation/response error",
        "execute/initialResponse Result",
        "cell/closed"
      ])
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("of a cell whose engine says everything at once", () =>
    Effect.gen(function*() {
      const { layer } = layerGated(Effect.void, [started, notify("n"), calls("tool-1"), output("a"), finished()])
      yield* Effect.gen(function*() {
        const { client } = yield* open()
        const { id } = yield* client.execute("", { tools: ["tool"] })
        // The tool call came to its end before the client could know of the cell.
        const notification = yield* client.heardType("delegate/request")
        assert.strictEqual(notification.request.type, "notification/send")
        client.accept(notification.id)
        yield* client.initial(id)
        yield* client.heardType("cell/closed")
        assert.deepStrictEqual(said(client).slice(2), [
          "operation/response execution/started",
          "delegate/request",
          "execute/initialResponse Result",
          "cell/closed"
        ])
      }).pipe(Effect.provide(layer))
    }))

  it.effect("of a shutdown: everything about the cells, then that the session is closed", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const first = yield* execute(client, { yieldTime: 0 })
      yield* first.isolate.emit(calls("tool-1"))
      yield* first.initial
      const wait = client.askWait(first.cellId)
      yield* execute(client)
      yield* client.shutdown()
      assert.deepStrictEqual(say(yield* client.answer(wait)), ["Terminated"])
      const ending = said(client).slice(-6)
      assert.deepStrictEqual(ending.toSorted(), [
        "cell/closed",
        "cell/closed",
        "delegate/cancel",
        "execute/initialResponse Terminated",
        "operation/response Terminated",
        "operation/response session/closed"
      ])
      assert.strictEqual(ending.at(-1), "operation/response session/closed")
      assert.isBelow(ending.indexOf("operation/response Terminated"), ending.indexOf("cell/closed"))
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("of a termination: both who wait hear of it before the cell closes", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const { cellId, initial, isolate } = yield* execute(client)
      yield* isolate.emit(output("a"))
      assert.deepStrictEqual(say(yield* client.terminate(cellId)), ["Terminated", "a"])
      assert.deepStrictEqual(say(yield* initial), ["Terminated", "a"])
      yield* client.heardType("cell/closed")
      assert.deepStrictEqual(said(client).slice(-3).toSorted(), [
        "cell/closed",
        "execute/initialResponse Terminated",
        "operation/response Terminated"
      ])
      assert.strictEqual(said(client).at(-1), "cell/closed")
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("a cell does not close while its end has not been read", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const { cellId, initial, isolate } = yield* execute(client, { yieldTime: 0 })
      yield* initial
      yield* isolate.emit(output("late"), finished({ error: "boom" }))
      yield* barrier(client)
      assert.notInclude(said(client), "cell/closed")
      assert.deepStrictEqual(say(yield* client.wait(cellId)), ["Result", "late", "! boom"])
      yield* client.heardType("cell/closed")
      assert.deepStrictEqual(say(yield* client.wait(cellId)), ["Missing", "Result", "! exec cell 1 not found"])
      yield* barrier(client)
      assert.lengthOf(said(client).filter((word) => word === "cell/closed"), 1)
    }).pipe(Effect.provide(Isolate.layerTest)))
})

describe("observation", () => {
  it.effect("a yield time of 10 seconds and more has a second of grace", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const { cellId, initial } = yield* execute(client, { yieldTime: 10_000 })
      yield* TestClock.adjust(10_999)
      yield* barrier(client)
      assert.notInclude(said(client), "execute/initialResponse Yielded")
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(say(yield* initial), ["Yielded"])

      const wait = client.askWait(cellId, 9_999)
      yield* barrier(client)
      yield* TestClock.adjust(9_998)
      yield* barrier(client)
      assert.notInclude(said(client), "operation/response Yielded")
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(say(yield* client.answer(wait)), ["Yielded"])
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("without a yield time it is 10 seconds", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const { initial } = yield* execute(client, { yieldTime: null })
      yield* TestClock.adjust(10_999)
      yield* barrier(client)
      assert.notInclude(said(client), "execute/initialResponse Yielded")
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(say(yield* initial), ["Yielded"])
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("a session's limit caps the yield time, after the grace", () =>
    Effect.gen(function*() {
      const { client } = yield* open({ open: { cellExecutionLimits: { maxYieldTimeMs: 10_500 } } })
      const { initial } = yield* execute(client, { yieldTime: 60_000 })
      yield* TestClock.adjust(10_499)
      yield* barrier(client)
      assert.notInclude(said(client), "execute/initialResponse Yielded")
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(say(yield* initial), ["Yielded"])
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("a yield time that no clock can count never comes", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const { cellId, initial, isolate } = yield* execute(client, { yieldTime: 1e19 })
      yield* TestClock.adjust("100 days")
      yield* barrier(client)
      assert.notInclude(said(client), "execute/initialResponse Yielded")
      yield* isolate.emit(finished())
      assert.deepStrictEqual(say(yield* initial), ["Result"])
      assert.strictEqual(cellId, "1")
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("operation/yield makes it answer now", () =>
    Effect.gen(function*() {
      const { client } = yield* open({ capabilities: ["yield-observation"] })
      const { cellId, id, initial, isolate } = yield* execute(client)
      yield* isolate.emit(output("so far"))
      client.send({ type: "operation/yield", id })
      assert.deepStrictEqual(say(yield* initial), ["Yielded", "so far"])
      const wait = client.askWait(cellId)
      client.send({ type: "operation/yield", id: wait })
      assert.deepStrictEqual(say(yield* client.answer(wait)), ["Yielded"])
      client.send({ type: "operation/yield", id: wait })
      client.send({ type: "operation/yield", id: 12345 })
      yield* barrier(client)
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("operation/yield counts even before the cell is there", () =>
    Effect.gen(function*() {
      const gate = Deferred.makeUnsafe<void>()
      yield* Effect.gen(function*() {
        const { client } = yield* open()
        const id = client.askExecute("")
        client.send({ type: "operation/yield", id })
        yield* barrier(client)
        yield* Deferred.succeed(gate, undefined)
        assert.deepStrictEqual(say(yield* client.initial(id)), ["Yielded"])
      }).pipe(Effect.provide(layerGated(Deferred.await(gate), [started]).layer))
    }))

  it.effect("a cancelled wait loses nothing", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const { cellId, initial, isolate } = yield* execute(client, { yieldTime: 0 })
      yield* initial
      const wait = client.askWait(cellId)
      client.send({ type: "operation/cancel", id: wait })
      assert.deepStrictEqual(say(yield* client.answer(wait)), ["error", "code-mode request cancelled"])
      yield* isolate.emit(output("kept"), finished())
      assert.deepStrictEqual(say(yield* client.wait(cellId)), ["Result", "kept"])
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("only one at a time", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const { cellId, initial, isolate } = yield* execute(client)
      assert.deepStrictEqual(say(yield* client.wait(cellId)), ["error", "exec cell 1 already has an active observer"])
      yield* isolate.emit(yieldRequested)
      assert.deepStrictEqual(say(yield* initial), ["Yielded"])
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("says how long it took, and how long the end had waited", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const { cellId, initial, isolate } = yield* execute(client, { yieldTime: 200 })
      yield* TestClock.adjust(200)
      const yielded = yield* initial
      assert.isTrue(yielded.status === "ok" && "Yielded" in yielded.value)
      assert.strictEqual(
        yielded.status === "ok" && "Yielded" in yielded.value
          ? yielded.value.Yielded.code_mode_host_duration_ns
          : undefined,
        200_000_000
      )
      yield* isolate.emit(finished())
      yield* barrier(client)
      yield* TestClock.adjust(500)
      const answer = yield* client.wait(cellId)
      assert.deepInclude(answer, {
        value: {
          type: "wait/completed",
          outcome: {
            LiveCell: {
              Result: {
                cell_id: "1",
                content_items: [],
                error_text: null,
                result_buffered_for_ns: 500_000_000,
                code_mode_host_duration_ns: 0
              }
            }
          }
        }
      })
    }).pipe(Effect.provide(Isolate.layerTest)))
})

describe("an execution that is cancelled", () => {
  it.effect("before it starts leaves nothing, and its place is free again", () =>
    Effect.gen(function*() {
      const gate = Deferred.makeUnsafe<void>()
      const { layer, stopped } = layerGated(Deferred.await(gate), [started])
      yield* Effect.gen(function*() {
        const { client } = yield* open({ limits: Protocol.Limits.make({ maxLiveCells: 1 }) })
        const id = client.askExecute("nobody wants me")
        client.send({ type: "operation/cancel", id })
        assert.deepStrictEqual(say(yield* client.answer(id)), ["error", "code-mode request cancelled"])
        yield* Deferred.succeed(gate, undefined)
        const next = Effect.andThen(barrier(client), Effect.suspend(() => client.answer(client.askExecute("next"))))
        yield* Effect.repeat(next, { until: (answer) => answer.status === "ok", times: 1000 })
        assert.deepStrictEqual(say(yield* client.shutdown()), ["session/closed"])
        assert.deepStrictEqual(stopped, ["nobody wants me", "next"])
        assert.lengthOf(said(client).filter((word) => word === "cell/closed"), 1)
      }).pipe(Effect.provide(layer))
    }))

  it.effect("after it has started goes on", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const { id, initial, isolate } = yield* execute(client)
      client.send({ type: "operation/cancel", id })
      yield* barrier(client)
      yield* isolate.emit(output("a"), finished())
      assert.deepStrictEqual(say(yield* initial), ["Result", "a"])
    }).pipe(Effect.provide(Isolate.layerTest)))
})

describe("the client as a delegate", () => {
  it.effect("gives tools their results and errors", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const { isolate } = yield* execute(client)
      yield* isolate.emit({
        _tag: "ToolCalls",
        calls: [
          { id: toolCallId("tool-1"), tool: 0, input: `{"a":1}` },
          { id: toolCallId("tool-2"), tool: 0 },
          { id: toolCallId("tool-3"), tool: 0 }
        ]
      })
      const { id } = yield* client.heardType("delegate/request", 3)
      assert.deepStrictEqual(requests(client).map(({ request }) => request), [
        {
          type: "tool/invoke",
          invocation: {
            cell_id: "1",
            runtime_tool_call_id: "tool-1",
            tool_name: { name: "tool", namespace: null },
            tool_kind: "function",
            input: { a: 1 }
          }
        },
        ...["tool-2", "tool-3"].map((call) => ({
          type: "tool/invoke" as const,
          invocation: {
            cell_id: "1",
            runtime_tool_call_id: call,
            tool_name: { name: "tool", namespace: null },
            tool_kind: "function" as const,
            input: null
          }
        }))
      ])
      client.accept(id)
      client.send({
        type: "delegate/response",
        id: requests(client)[1]!.id,
        result: { status: "error", message: "no" }
      })
      client.respond(requests(client)[0]!.id, { b: [2] })
      yield* barrier(client)
      assert.deepStrictEqual(isolate.commands, [
        { _tag: "Reject", id: toolCallId("tool-3"), text: "code-mode client returned an invalid tool result" },
        { _tag: "Reject", id: toolCallId("tool-2"), text: "no" },
        { _tag: "Resolve", id: toolCallId("tool-1"), json: `{"b":[2]}` }
      ])
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("is heard once for each request, and never after it was cancelled", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const { cellId, isolate } = yield* execute(client)
      yield* isolate.emit(calls("tool-1", "tool-2"))
      const { id } = yield* client.heardType("delegate/request", 2)
      const first = requests(client)[0]!.id
      client.respond(first, 1)
      client.respond(first, 2)
      client.respond(12345, 3)
      yield* client.terminate(cellId)
      const cancelled = yield* client.heardType("delegate/cancel")
      assert.strictEqual(cancelled.id, id)
      client.respond(id, 4)
      yield* barrier(client)
      assert.deepStrictEqual(isolate.commands.filter(({ _tag }) => _tag === "Resolve"), [
        { _tag: "Resolve", id: toolCallId("tool-1"), json: "1" }
      ])
      assert.lengthOf(client.told.filter((message) => message.type === "delegate/cancel"), 1)
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("takes notifications, and a cell ends once they are delivered", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const { initial, isolate } = yield* execute(client, { callId: "call-7" })
      yield* isolate.emit(notify("one"), notify("two"), notify("three"), finished())
      yield* client.heardType("delegate/request", 3)
      assert.deepStrictEqual(requests(client).map(({ request }) => request), [
        { type: "notification/send", callId: "call-7", cellId: "1", text: "one" },
        { type: "notification/send", callId: "call-7", cellId: "1", text: "two" },
        { type: "notification/send", callId: "call-7", cellId: "1", text: "three" }
      ])
      const [one, two, three] = requests(client).map(({ id }) => id)
      client.accept(one!)
      client.respond(two!, "not what was asked")
      yield* barrier(client)
      assert.notInclude(said(client), "execute/initialResponse Result")
      client.send({ type: "delegate/response", id: three, result: { status: "error", message: "full" } })
      assert.deepStrictEqual(say(yield* initial), ["Result"])
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("has so many requests at a time, over all sessions, and the rest wait their turn", () =>
    Effect.gen(function*() {
      const { client } = yield* open({ limits: Protocol.Limits.make({ maxToolCallsInFlight: 3 }) })
      yield* client.open("t")
      const first = yield* execute(client)
      const second = yield* execute(client, { session: "t" })
      yield* first.isolate.emit(calls("tool-1", "tool-2", "tool-3", "tool-4"))
      yield* second.isolate.emit(calls("tool-1"), notify("n"))
      yield* barrier(client)
      assert.deepStrictEqual(requests(client).map(({ sessionId }) => sessionId), ["s", "s", "s"])
      client.respond(requests(client)[1]!.id, null)
      client.respond(requests(client)[0]!.id, null)
      yield* client.heardType("delegate/request", 5)
      yield* client.terminate(first.cellId)
      yield* client.heardType("delegate/request", 6)
      assert.deepStrictEqual(requests(client).slice(3).map(({ sessionId }) => sessionId).toSorted(), ["s", "t", "t"])
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("is not sent more than the host's bound because it could take more", () =>
    Effect.gen(function*() {
      const { client } = yield* open({
        limits: Protocol.Limits.make({ maxToolCallsInFlight: 2 }),
        capabilities: ["delegate-capacity-4096"]
      })
      const { isolate } = yield* execute(client)
      yield* isolate.emit(calls("tool-1", "tool-2", "tool-3"))
      yield* barrier(client)
      assert.strictEqual(requests(client).length, 2)
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("hears nothing of a call that was cancelled while it waited its turn", () =>
    Effect.gen(function*() {
      const { client } = yield* open({ limits: Protocol.Limits.make({ maxToolCallsInFlight: 1 }) })
      yield* client.open("t")
      const first = yield* execute(client)
      const second = yield* execute(client, { session: "t" })
      yield* first.isolate.emit(calls("tool-1"))
      yield* second.isolate.emit(calls("tool-1"))
      const { id } = yield* client.heardType("delegate/request")
      yield* client.terminate(second.cellId, "t")
      client.respond(id, null)
      yield* first.isolate.emit(calls("tool-2"))
      yield* client.heardType("delegate/request", 2)
      yield* barrier(client)
      assert.deepStrictEqual(requests(client).map(({ sessionId }) => sessionId), ["s", "s"])
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("does not make room by answering what was cancelled", () =>
    Effect.gen(function*() {
      const { client } = yield* open({ limits: Protocol.Limits.make({ maxToolCallsInFlight: 1 }) })
      yield* client.open("t")
      const cancelled = yield* execute(client)
      yield* cancelled.isolate.emit(calls("tool-1"))
      const { id } = yield* client.heardType("delegate/request")
      yield* client.terminate(cancelled.cellId)
      client.respond(id, null)
      const first = yield* execute(client)
      const second = yield* execute(client, { session: "t" })
      yield* first.isolate.emit(calls("tool-1"))
      yield* second.isolate.emit(calls("tool-1"))
      yield* barrier(client)
      assert.lengthOf(requests(client), 2)
    }).pipe(Effect.provide(Isolate.layerTest)))

  for (const [capability, capacity] of [[[], 1024], [["delegate-capacity-4096"], 4096]] as const) {
    it.live(`has ${capacity} at a time with ${capability.join() || "no capability"}`, () =>
      Effect.gen(function*() {
        const { client } = yield* open({ capabilities: capability })
        const { isolate } = yield* execute(client)
        yield* isolate.emit(calls(...Array.from({ length: 5000 }, (_, index) => `tool-${index + 1}`)))
        yield* client.heardType("delegate/request", capacity)
        yield* barrier(client)
        assert.lengthOf(requests(client), capacity)
        client.serve(answerWithItsId)
        for (const { id, request } of requests(client)) {
          client.respond(id, request.type === "tool/invoke" ? request.invocation.runtime_tool_call_id : null)
        }
        yield* client.heardType("delegate/request", 5000)
        yield* barrier(client)
        assert.deepStrictEqual(
          isolate.commands,
          Array.from({ length: 5000 }, (_, index) => ({
            _tag: "Resolve" as const,
            id: toolCallId(`tool-${index + 1}`),
            json: `"tool-${index + 1}"`
          }))
        )
      }).pipe(Effect.provide(Isolate.layerTest)))
  }
})

describe("sessions", () => {
  it.effect("have ids that are used once", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      assert.deepStrictEqual(say(yield* client.open()), ["error", "code-mode session ID `s` is already open"])
      assert.deepStrictEqual(say(yield* client.shutdown()), ["session/closed"])
      assert.deepStrictEqual(say(yield* client.open()), ["error", "code-mode session ID `s` was reused"])
      assert.deepStrictEqual(say(yield* client.shutdown()), ["error", "unknown code-mode session s"])
      assert.deepStrictEqual(say(yield* client.wait("1")), ["error", "unknown code-mode session s"])
      assert.deepStrictEqual(say(yield* client.terminate("1")), ["error", "unknown code-mode session s"])
      assert.deepStrictEqual(say(yield* client.answer(client.askExecute(""))), ["error", "unknown code-mode session s"])
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("can be used before they are known to be open", () =>
    Effect.gen(function*() {
      const { client } = yield* connect()
      const isolates = yield* Isolate.TestIsolates
      yield* client.hello()
      const opened = client.ask({ method: "session/open", sessionId: "s" })
      const id = client.askExecute("")
      yield* isolates.next
      assert.deepStrictEqual(say(yield* client.answer(id)), ["execution/started"])
      assert.deepStrictEqual(said(client).slice(1), [
        "operation/response session/ready",
        "operation/response execution/started"
      ])
      assert.deepStrictEqual(say(yield* client.answer(opened)), ["session/ready"])
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("that cannot be opened can be tried again", () =>
    Effect.gen(function*() {
      const failing = Layer.succeed(Isolate.Isolate, {
        lease: Effect.fail(new Protocol.IsolateFailure({ text: "no engine" }))
      })
      yield* Effect.gen(function*() {
        const { client } = yield* connect()
        yield* client.hello()
        assert.deepStrictEqual(say(yield* client.open()), ["error", "no engine"])
        assert.deepStrictEqual(say(yield* client.open()), ["error", "no engine"])
      }).pipe(Effect.provide(failing))
    }))

  it.effect("share the host's number of live cells", () =>
    Effect.gen(function*() {
      const { client } = yield* open({ limits: Protocol.Limits.make({ maxLiveCells: 2 }) })
      yield* client.open("t")
      const first = yield* execute(client)
      const second = yield* execute(client, { session: "t" })
      const refused = ["error", "code-mode host has too many active cells"]
      assert.deepStrictEqual(say(yield* client.answer(client.askExecute(""))), refused)
      assert.deepStrictEqual(say(yield* client.answer(client.askExecute("", { session: "t" }))), refused)
      yield* second.isolate.emit(finished())
      yield* client.heardType("cell/closed")
      yield* execute(client)
      assert.deepStrictEqual(say(yield* client.answer(client.askExecute("", { session: "t" }))), refused)
      yield* client.terminate(first.cellId)
      yield* client.shutdown()
      yield* execute(client, { session: "t" })
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("keep their number of live cells where no isolate can be made", () =>
    Effect.gen(function*() {
      const failing = layerGated(Effect.fail(new Protocol.IsolateFailure({ text: "no isolate" })), [])
      yield* Effect.gen(function*() {
        const { client } = yield* open({ limits: Protocol.Limits.make({ maxLiveCells: 1 }) })
        for (let attempt = 0; attempt < 3; attempt++) {
          assert.deepStrictEqual(say(yield* client.answer(client.askExecute(""))), ["error", "no isolate"])
        }
      }).pipe(Effect.provide(failing.layer))
    }))

  it.effect("that end while a cell starts tell it so", () =>
    Effect.gen(function*() {
      const gate = Deferred.makeUnsafe<void, Protocol.IsolateFailure>()
      yield* Effect.gen(function*() {
        const { client } = yield* open()
        const id = client.askExecute("")
        assert.deepStrictEqual(say(yield* client.shutdown()), ["session/closed"])
        yield* Deferred.fail(gate, new Protocol.IsolateFailure({ text: "the lane was ended" }))
        assert.deepStrictEqual(say(yield* client.answer(id)), ["error", "code mode session is shutting down"])
      }).pipe(Effect.provide(layerGated(Deferred.await(gate), []).layer))
    }))

  it.effect("give their cells the heap that was asked for", () =>
    Effect.gen(function*() {
      const isolates = yield* Isolate.TestIsolates
      const { client } = yield* open({ open: { cellExecutionLimits: { maxHeapSizeBytes: 12_345_678 } } })
      yield* client.execute("")
      assert.strictEqual((yield* isolates.next).program.maxHeapSizeBytes, 12_345_678)
      yield* client.open("t")
      yield* client.execute("", { session: "t" })
      assert.strictEqual(
        (yield* isolates.next).program.maxHeapSizeBytes,
        Protocol.Limits.make({}).maxHeapSizeBytes
      )
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("give their cells no more heap than the host allows", () =>
    Effect.gen(function*() {
      const isolates = yield* Isolate.TestIsolates
      const limits = Protocol.Limits.make({ maxHeapSizeBytes: 10_000_000 })
      const { client } = yield* open({ limits, open: { cellExecutionLimits: { maxHeapSizeBytes: 2 ** 53 } } })
      yield* client.execute("")
      assert.strictEqual((yield* isolates.next).program.maxHeapSizeBytes, 10_000_000)
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("refuse a negative output budget without losing the connection", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const answer = yield* client.answer(client.askExecute("", { maxOutputTokens: -1 }))
      assert.deepStrictEqual(say(answer), [
        "error",
        "invalid code-mode execute request: max_output_tokens is -1"
      ])
    }).pipe(Effect.provide(Isolate.layerTest)))
})

describe("output that the host truncates", () => {
  const truncating = { capabilities: ["bounded-output-v1"], open: { outputTruncation: "server" } }

  it.effect("fits the budget of its operation, and includes the error", () =>
    Effect.gen(function*() {
      const { client } = yield* open(truncating)
      const failing = yield* execute(client, { maxOutputTokens: 5 })
      yield* failing.isolate.emit(output("a".repeat(100)), finished({ error: "Error: xx\n    at exec_main.mjs:1:30" }))
      assert.deepStrictEqual(say(yield* failing.initial), [
        "Result",
        "Warning: truncated output (original token count: 38)\nTotal output lines: 4\n\n" +
        "aaaaaaaaaa…33 tokens truncated…n.mjs:1:30",
        "! Error: xx\n    at exec_main.mjs:1:30"
      ])

      const yielding = yield* execute(client, { maxOutputTokens: 5, yieldTime: 0 })
      yield* yielding.initial
      yield* yielding.isolate.emit(output("b".repeat(100)))
      yield* barrier(client)
      const terminated = yield* client.request({
        method: "session/terminate",
        sessionId: "s",
        cellId: yielding.cellId,
        maxOutputTokens: 6
      })
      assert.deepStrictEqual(say(terminated), [
        "Terminated",
        "Warning: truncated output (original token count: 25)\nTotal output lines: 1\n\n" +
        "bbbbbbbbbbbb…19 tokens truncated…bbbbbbbbbbbb"
      ])
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("has a budget of 10,000 tokens where none was given", () =>
    Effect.gen(function*() {
      const { client } = yield* open(truncating)
      const fits = yield* execute(client)
      yield* fits.isolate.emit(output("a".repeat(40_000)), finished())
      assert.strictEqual(String(say(yield* fits.initial)[1]).length, 40_000)
      const exceeds = yield* execute(client)
      yield* exceeds.isolate.emit(output("a".repeat(40_001)), finished())
      assert.match(String(say(yield* exceeds.initial)[1]), /^Warning: .*10001\)/)
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("is left alone where the client does it", () =>
    Effect.gen(function*() {
      const { client } = yield* open({ capabilities: ["bounded-output-v1"], open: { outputTruncation: "client" } })
      const { initial, isolate } = yield* execute(client, { maxOutputTokens: 1 })
      yield* isolate.emit(output("a".repeat(1000)), finished({ error: "boom" }))
      assert.deepStrictEqual(say(yield* initial), ["Result", "a".repeat(1000), "! boom"])
    }).pipe(Effect.provide(Isolate.layerTest)))
})

describe("what does not fit a frame", () => {
  const large = "x".repeat(64 * 1024 * 1024 - 100)

  it.effect("is an error of the operation it belongs to", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const first = yield* execute(client, { yieldTime: 0 })
      yield* first.initial
      yield* first.isolate.emit(output(large), finished())
      assert.match(
        String(say(yield* client.wait(first.cellId))),
        /^error,code-mode host response exceeds the IPC frame limit: code-mode IPC frame length \d+ exceeds 67108864/
      )
      yield* client.heardType("cell/closed")

      const second = yield* execute(client)
      yield* second.isolate.emit(output(large), finished())
      assert.match(
        String(say(yield* second.initial)),
        /^error,code-mode initial response exceeds the IPC frame limit: /
      )
      yield* client.heardType("cell/closed", 2)
    }).pipe(Effect.provide(Isolate.layerTest)), 60_000)

  it.effect("fails the tool call it belongs to, which gives its place back", () =>
    Effect.gen(function*() {
      const { client } = yield* open({ limits: Protocol.Limits.make({ maxToolCallsInFlight: 1 }) })
      const { isolate } = yield* execute(client)
      yield* isolate.emit({
        _tag: "ToolCalls",
        calls: [{ id: toolCallId("tool-1"), tool: 0, input: JSON.stringify(large) }]
      })
      yield* isolate.emit(calls("tool-2"))
      yield* client.heardType("delegate/request")
      assert.lengthOf(isolate.commands, 1)
      assert.match(
        isolate.commands.map((command) => command._tag === "Reject" ? command.text : command._tag).join(),
        /^code-mode IPC frame length \d+ exceeds 67108864 bytes$/
      )
    }).pipe(Effect.provide(Isolate.layerTest)), 60_000)
})

describe("a client that leaves", () => {
  it.effect("ends its sessions", () =>
    Effect.gen(function*() {
      const { client, ended } = yield* open()
      yield* client.open("t")
      const first = yield* execute(client)
      const second = yield* execute(client, { session: "t" })
      yield* first.isolate.emit(calls("tool-1"))
      yield* client.heardType("delegate/request")
      const before = client.told.length
      client.end()
      assert.deepStrictEqual(yield* ended, Exit.void)
      assert.deepInclude(first.isolate.commands, { _tag: "Stop" })
      assert.deepStrictEqual(second.isolate.commands, [{ _tag: "Stop" }])
      assert.strictEqual(client.told.length, before)
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("ends them when it is torn away, too", () =>
    Effect.gen(function*() {
      const { client, clientSide, ended, hostSide } = yield* open()
      const { isolate } = yield* execute(client)
      clientSide.destroy()
      hostSide.destroy(new Error("connection reset by peer"))
      assert.deepStrictEqual(yield* ended, Exit.void)
      assert.deepStrictEqual(isolate.commands, [{ _tag: "Stop" }])
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("while a cell is starting leaves no cell", () =>
    Effect.gen(function*() {
      const gate = Deferred.makeUnsafe<void>()
      const { layer, stopped } = layerGated(Deferred.await(gate), [started])
      yield* Effect.gen(function*() {
        const { client, ended } = yield* open()
        client.askExecute("late")
        yield* barrier(client)
        client.end()
        yield* ended
        yield* Deferred.succeed(gate, undefined)
        yield* Effect.yieldNow
        assert.deepStrictEqual(stopped, ["late"])
      }).pipe(Effect.provide(layer))
    }))
})

describe("a client that reads slowly", () => {
  it.live("keeps its connection, and gets everything in order", () =>
    Effect.gen(function*() {
      const { client, hostSide } = yield* open({ capabilities: ["delegate-capacity-4096"] })
      const { initial, isolate } = yield* execute(client)
      client.pause()
      const argument = JSON.stringify("x".repeat(10_000))
      yield* isolate.emit({
        _tag: "ToolCalls",
        calls: Array.from({ length: 5000 }, (_, index) => ({
          id: toolCallId(`tool-${index + 1}`),
          tool: 0,
          input: argument
        }))
      })
      yield* Effect.yieldNow
      // The host holds back what the client does not take: not 50 MB, but a frame more than the stream's own bound.
      assert.isBelow(hostSide.writableLength, hostSide.writableHighWaterMark + 11_000)
      client.serve(answerWithItsId)
      client.resume()
      yield* client.heardType("delegate/request", 5000)
      yield* barrier(client)
      yield* isolate.emit(finished())
      assert.deepStrictEqual(say(yield* initial), ["Result"])
      assert.deepStrictEqual(
        requests(client).map(({ request }) =>
          request.type === "tool/invoke" ? request.invocation.runtime_tool_call_id : ""
        ),
        Array.from({ length: 5000 }, (_, index) => `tool-${index + 1}`)
      )
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("hears of what it never got that it was asked for nothing", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const { cellId, isolate } = yield* execute(client)
      client.pause()
      const input = JSON.stringify("x".repeat(100_000))
      yield* isolate.emit({
        _tag: "ToolCalls",
        calls: Array.from({ length: 100 }, (_, index) => ({ id: toolCallId(`tool-${index + 1}`), tool: 0, input }))
      })
      yield* Effect.yieldNow
      const terminated = client.ask({ method: "session/terminate", sessionId: "s", cellId })
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      client.resume()
      assert.deepStrictEqual(say(yield* client.answer(terminated)), ["Terminated"])
      yield* barrier(client)
      const cancelled = client.told.filter((message) => message.type === "delegate/cancel")
      assert.isBelow(requests(client).length, 10)
      assert.lengthOf(cancelled, requests(client).length)
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("does not make a cell lose output", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const first = yield* execute(client, { yieldTime: 0 })
      yield* first.initial
      client.pause()
      const second = client.askExecute("")
      const third = client.askExecute("")
      const wait = client.askWait(first.cellId)
      const isolates = yield* Isolate.TestIsolates
      const [two, three] = [yield* isolates.next, yield* isolates.next]
      const large = "y".repeat(2_000_000)
      for (const isolate of [first.isolate, two, three]) {
        yield* isolate.emit(started, output(large), finished())
      }
      client.resume()
      for (const answer of [client.answer(wait), client.initial(second), client.initial(third)]) {
        assert.deepStrictEqual(say(yield* answer), ["Result", large])
      }
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("hears the answer to a wait before that its cell is closed, and of the session last", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const { cellId, initial } = yield* execute(client, { yieldTime: 0 })
      yield* initial
      const large = yield* execute(client)
      client.pause()
      yield* large.isolate.emit(output("y".repeat(2_000_000)), finished())
      const wait = client.askWait(cellId)
      const shutdown = client.ask({ method: "session/shutdown", sessionId: "s" })
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      client.resume()
      yield* client.answer(shutdown)
      assert.deepStrictEqual(say(yield* client.answer(wait)), ["Missing", "Result", "! exec cell 1 not found"])
      assert.deepStrictEqual(said(client).slice(-4), [
        "cell/closed",
        "operation/response Missing",
        "cell/closed",
        "operation/response session/closed"
      ])
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.effect("leaves what its cells put out in the cells", () =>
    Effect.gen(function*() {
      const { client } = yield* open({ limits: Protocol.Limits.make({ maxUndeliveredOutputBytes: 3_000_000 }) })
      const { cellId, initial, isolate } = yield* execute(client, { yieldTime: 0 })
      yield* initial
      const large = yield* execute(client)
      client.pause()
      yield* large.isolate.emit(output("y".repeat(2_000_000)), finished())
      yield* Effect.yieldNow
      const wait = client.askWait(cellId)
      yield* Effect.yieldNow
      for (let time = 0; time < 2; time++) {
        yield* isolate.emit(output("z".repeat(2_000_000)), yieldRequested)
        yield* Effect.yieldNow
      }
      client.resume()
      const [event, , , error] = say(yield* client.answer(wait))
      assert.strictEqual(event, "Result")
      assert.match(String(error), /more than 3000000 bytes that were not read/)
    }).pipe(Effect.provide(Isolate.layerTest)))

  it.live("and asks on and on is not listened to until it reads", () =>
    Effect.gen(function*() {
      const { client, hostSide } = yield* open()
      client.pause()
      const asked = 30_000
      for (let index = 0; index < asked; index++) {
        client.ask({ method: "session/shutdown", sessionId: "nobody" })
      }
      yield* Effect.callback<void>((resume) => {
        const look = () => hostSide.isPaused() ? resume(Effect.void) : setImmediate(look)
        look()
      })
      client.resume()
      yield* client.heardType("operation/response", asked + 1)
      yield* barrier(client)
    }).pipe(Effect.provide(Isolate.layerTest)))
})
