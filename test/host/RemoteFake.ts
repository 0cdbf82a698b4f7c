/** A host that a test plays, message by message. */
import { assert } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import * as Extension from "effect-code-mode/host/Extension"
import * as Frame from "effect-code-mode/host/Frame"
import type * as Message from "effect-code-mode/host/Message"
import * as RemoteRuntime from "effect-code-mode/host/RemoteRuntime"
import type { Transport } from "effect-code-mode/host/RemoteTransport"
import type { Limits } from "effect-code-mode/Protocol"
import type * as Runtime from "effect-code-mode/Runtime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import { PassThrough } from "node:stream"

type ClientMessage = Message.ClientMessage | Extension.ClientMessage
type Method = Message.Request["method"]

export class FakeHost {
  readonly transport: Effect.Effect<Transport>
  private readonly input = new PassThrough()
  private readonly output = new PassThrough()
  private readonly said = Effect.runSync(Queue.unbounded<ClientMessage>())
  /** Over once the session is open. */
  readonly ready = Deferred.makeUnsafe<void>()
  private readonly goneListeners: Array<(reason: string) => void> = []

  constructor() {
    const decoder = new Frame.Decoder((payload) => {
      const message = Extension.decodeClientMessage(payload.toString())
      Queue.offerUnsafe(this.said, Result.getOrThrow(message))
      Queue.flushUnsafe(this.said)
    })
    this.output.on("data", (bytes: Buffer) => decoder.push(bytes))
    this.transport = Effect.succeed({
      input: this.input,
      output: this.output,
      onGone: (listener) => this.goneListeners.push(listener)
    })
  }

  /** Says anything, whether it is a message or not. */
  readonly send = (...messages: ReadonlyArray<object>) =>
    Effect.sync(() => messages.forEach((message) => this.input.write(Frame.encode(JSON.stringify(message)))))

  readonly write = (bytes: Uint8Array) => Effect.sync(() => this.input.write(bytes))

  /** What the client says next. */
  readonly next: Effect.Effect<ClientMessage> = Queue.take(this.said)

  /** The client's next message, which is to be of this type. */
  readonly take = <Type extends ClientMessage["type"]>(type: Type) =>
    Effect.map(this.next, (message) => {
      assert.strictEqual<string>(message.type, type)
      return message as Extract<ClientMessage, { readonly type: Type }>
    })

  /** The id of the client's next message, which is to be this request. */
  readonly request = (method: Method) =>
    Effect.map(this.take("operation/request"), ({ id, request }) => {
      assert.strictEqual<string>(request.method, method)
      return Number(id)
    })

  /** The id of the client's next message, which is to be this request under our capability. */
  readonly asked = (method: Extension.Request["method"]) =>
    Effect.map(this.take("extension/request"), ({ id, request }) => {
      assert.strictEqual<string>(request.method, method)
      return id
    })

  /** Answers a request under our capability. */
  readonly tell = (id: number, value: unknown) =>
    this.send({ type: "extension/response", id, result: { status: "ok", value } })

  /** Tells a step in the life of a cell. */
  readonly happened = (event: object) => this.send({ type: "extension/event", sessionId: "session-1", event })

  readonly answer = (id: number, value: object) =>
    this.send({ type: "operation/response", id, result: { status: "ok", value } })

  readonly refuse = (id: number, message: string) =>
    this.send({ type: "operation/response", id, result: { status: "error", message } })

  /** Ends as a process does. */
  readonly die = (reason: string) => Effect.sync(() => this.goneListeners.forEach((listener) => listener(reason)))

  /** Takes the client's next execution, and starts it as this cell. */
  readonly start = Effect.fnUntraced({ self: this }, function*(cellId: string) {
    yield* Deferred.await(this.ready)
    const id = yield* this.request("session/execute")
    yield* this.answer(id, { type: "execution/started", cellId })
    return id
  })

  /** The second answer to an execution. */
  readonly respond = (id: number, value: object) =>
    this.send({ type: "execute/initialResponse", id, result: { status: "ok", value } })
}

/** Shakes hands with a client and opens its session. */
export const greet = Effect.fnUntraced(function*(host: FakeHost, capabilities: ReadonlyArray<string>) {
  yield* host.take("connection/hello")
  yield* host.send({ type: "connection/ready", selectedVersion: 1, capabilities, somethingNew: true })
  if (capabilities.includes(Extension.capability)) {
    yield* host.tell(yield* host.asked("open"), null)
  } else {
    yield* host.answer(yield* host.request("session/open"), { type: "session/ready", sessionId: "session-1" })
  }
  yield* Deferred.succeed(host.ready, undefined)
})

/** A session at hosts that are played: the next one is started when the one before is lost. */
export const open = Effect.fnUntraced(function*(
  hosts: ReadonlyArray<FakeHost>,
  options?: {
    readonly capabilities?: ReadonlyArray<string> | undefined
    readonly delegate?: Delegate.Delegate["Service"] | undefined
    readonly limits?: Limits | undefined
    /** Hosts that the test greets itself. */
    readonly silent?: ReadonlyArray<FakeHost> | undefined
  }
) {
  const remaining = [...hosts]
  for (const host of hosts) {
    if (options?.silent?.includes(host) !== true) {
      yield* Effect.forkScoped(greet(host, options?.capabilities ?? []))
    }
  }
  const session: Runtime.SessionRuntime["Service"] = yield* RemoteRuntime.make({
    transport: Effect.suspend(() => remaining.shift()!.transport),
    offer: RemoteRuntime.capabilities,
    limits: options?.limits,
    storedValues: undefined
  }).pipe(
    options?.delegate === undefined
      ? Effect.provide(Delegate.layerNoop)
      : Effect.provideService(Delegate.Delegate, options.delegate)
  )
  // A host that is played answers no shutdown, so it is not waited for.
  yield* Effect.addFinalizer(() => Effect.forEach(hosts, (host) => host.die("the test is over"), { discard: true }))
  return session
})
