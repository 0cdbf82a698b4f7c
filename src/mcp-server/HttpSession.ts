/**
 * A client's session over HTTP: which of its open exchanges a message of ours goes to.
 *
 * **Details**
 *
 * An answer goes to the request that it answers. What is said besides (requests of ours, progress, logs) goes to a call
 * that is streamed, or else to the stream that the client holds open for it, or waits until there is one.
 *
 * @internal
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Delegate } from "../Delegate.ts"
import type { Isolate } from "../Isolate.ts"
import type { IsolateFailure } from "../Protocol.ts"
import * as Bounds from "./Bounds.ts"
import * as JsonRpcCodec from "./JsonRpcCodec.ts"
import * as ModelConnection from "./ModelConnection.ts"
import type * as ProtocolEnd from "./ProtocolEnd.ts"

type Message = JsonRpcCodec.Outgoing | JsonRpcCodec.Refusal

/** An exchange that messages can be given to, until it ends. */
type Channel = Queue.Queue<Message, Cause.Done>

const open = Queue.make<Message, Cause.Done>({ capacity: Bounds.maxUnread })

export class HttpSession {
  /** The requests that wait for their answers. */
  private readonly waiting = new Map<string, Channel>()
  /** Streams that take more than an answer, the latest last. */
  private readonly calls = new Set<Channel>()
  private listening: Channel | undefined
  private readonly unsent: Array<Message> = []
  private exchanges = 0
  private usedAt: number
  private connection!: ProtocolEnd.ProtocolEnd

  readonly id: string
  private readonly scope: Scope.Closeable
  private readonly clock: Clock.Clock

  private constructor(id: string, scope: Scope.Closeable, clock: Clock.Clock) {
    this.id = id
    this.scope = scope
    this.clock = clock
    this.usedAt = clock.currentTimeMillisUnsafe()
  }

  static readonly make = Effect.fnUntraced(function*(
    options: ModelConnection.Options,
    onEnd: () => void
  ): Effect.fn.Return<HttpSession, IsolateFailure, Delegate | Isolate | Scope.Scope> {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const session = new HttpSession(crypto.randomUUID(), scope, yield* Clock.Clock)
    yield* Scope.addFinalizer(
      scope,
      Effect.sync(() => {
        session.endAll()
        onEnd()
      })
    )
    session.connection = yield* ModelConnection.make(options, session.send).pipe(
      Scope.provide(scope),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
    return session
  })

  // ---------------------------------------------------------------------------
  // What the client sends
  // ---------------------------------------------------------------------------

  /** Takes what has no answer. */
  receive(message: JsonRpcCodec.Incoming): Effect.Effect<void> {
    return this.during(Effect.andThen(
      this.connection.receive(message),
      message._tag === "Request" && message.tag === "notifications/cancelled"
        ? this.forget((message.payload as { readonly requestId?: unknown } | null)?.requestId)
        : Effect.void
    ))
  }

  isWaiting(id: JsonRpcCodec.Id): boolean {
    return this.waiting.has(JsonRpcCodec.keyOf(id))
  }

  /** Asks, and gives the answer alone; nothing where it was cancelled, or the session ended. */
  readonly ask = Effect.fnUntraced(
    function*(this: HttpSession, message: JsonRpcCodec.Incoming, id: JsonRpcCodec.Id) {
      const channel = yield* open
      const key = JsonRpcCodec.keyOf(id)
      this.waiting.set(key, channel)
      return yield* this.connection.receive(message).pipe(
        Effect.andThen(Queue.take(channel)),
        Effect.orElseSucceed(() => undefined),
        Effect.ensuring(Effect.sync(() => this.waiting.delete(key))),
        (effect) => this.during(effect)
      )
    }
  )

  /**
   * Asks, and gives what there is to hear until the answer. The request goes on when the client hears no more of it:
   * the specification has it so.
   */
  readonly call = Effect.fnUntraced(
    function*(this: HttpSession, message: JsonRpcCodec.Incoming, id: JsonRpcCodec.Id) {
      const channel = yield* open
      this.waiting.set(JsonRpcCodec.keyOf(id), channel)
      this.calls.add(channel)
      this.flush(channel)
      yield* this.connection.receive(message)
      return this.read(channel, () => this.calls.delete(channel))
    }
  )

  /** What there is to hear besides. One stream at a time. */
  readonly listen = Effect.fnUntraced(function*(this: HttpSession) {
    if (this.listening !== undefined) {
      return undefined
    }
    const channel = yield* open
    this.listening = channel
    this.flush(channel)
    return this.read(channel, () => {
      this.listening = undefined
    })
  })

  private read(channel: Channel, onEnd: () => void): Stream.Stream<Message> {
    this.begin()
    return Stream.fromQueue(channel).pipe(
      Stream.ensuring(Effect.suspend(() => {
        onEnd()
        this.end()
        // What is still given to it has no reader.
        return Queue.shutdown(channel)
      }))
    )
  }

  // ---------------------------------------------------------------------------
  // What the client gets
  // ---------------------------------------------------------------------------

  private readonly send = (message: Message): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (message._tag === "Exit" || message._tag === "Refusal") {
        const id = message._tag === "Exit" ? message.requestId : message.id
        const key = id === null ? "" : JsonRpcCodec.keyOf(id)
        const channel = this.waiting.get(key)
        this.waiting.delete(key)
        return channel === undefined
          ? Effect.void
          : Effect.andThen(Queue.offer(channel, message), Queue.end(channel))
      }
      const target = Array.from(this.calls).at(-1) ?? this.listening
      if (target !== undefined) {
        return Queue.offer(target, message)
      }
      if (this.unsent.length < Bounds.maxUnread) {
        this.unsent.push(message)
        return Effect.void
      }
      // A question that cannot be sent is not to be waited for.
      return message._tag === "Request" && message.isNotification !== true
        ? this.connection.receive({
          _tag: "Exit",
          requestId: message.id,
          exit: {
            _tag: "Failure",
            cause: [{ _tag: "Fail", error: { code: -32000, message: "the client does not listen" } }]
          }
        })
        : Effect.void
    })

  private flush(channel: Channel): void {
    for (const message of this.unsent.splice(0)) {
      Queue.offerUnsafe(channel, message)
    }
  }

  /** A request that is cancelled has no answer. */
  private forget(id: unknown): Effect.Effect<void> {
    return Effect.suspend(() => {
      const key = JSON.stringify(id)
      const channel = this.waiting.get(key)
      this.waiting.delete(key)
      return channel === undefined ? Effect.void : Queue.end(channel)
    })
  }

  // ---------------------------------------------------------------------------
  // Its end
  // ---------------------------------------------------------------------------

  private begin(): void {
    this.exchanges++
  }

  private end(): void {
    this.exchanges--
    this.usedAt = this.clock.currentTimeMillisUnsafe()
  }

  private during<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      this.begin()
      return Effect.ensuring(effect, Effect.sync(() => this.end()))
    })
  }

  /** Whether nothing was open for so long. */
  isIdle(millis: number): boolean {
    return this.exchanges === 0 && this.clock.currentTimeMillisUnsafe() - this.usedAt >= millis
  }

  private endAll(): void {
    for (const channel of [...this.waiting.values(), ...this.calls, ...this.listening ? [this.listening] : []]) {
      Queue.endUnsafe(channel)
    }
  }

  readonly close: Effect.Effect<void> = Effect.suspend(() => Scope.close(this.scope, Exit.void))
}
