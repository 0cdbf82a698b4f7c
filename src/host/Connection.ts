/**
 * One client from its first byte to its last: the handshake, its sessions, and what it asks of them.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { isUtf8 } from "node:buffer"
import type { Readable, Writable } from "node:stream"
import type { Isolate } from "../Isolate.ts"
import { Limits } from "../Protocol.ts"
import { ClientDelegate } from "./ClientDelegate.ts"
import * as Frame from "./Frame.ts"
import * as Handshake from "./Handshake.ts"
import * as Message from "./Message.ts"
import { maxOperations, Operation, tooManyOperations } from "./Operation.ts"
import { Outgoing } from "./Outgoing.ts"
import { Remembered } from "./Remembered.ts"
import * as Session from "./Session.ts"

/** What the connections of a host share. */
export interface Host {
  readonly limits: Limits
  readonly maxFrameBytes: number
  readonly liveCells: Session.LiveCells
}

/** The client does not speak the protocol. */
export class ConnectionError extends Schema.TaggedError<ConnectionError>("effect-code-mode/host/ConnectionError")(
  "ConnectionError",
  { text: Schema.String }
) {
  override get message() {
    return this.text
  }
}

const maxRemembered = 4096

/** How many requests its client has to take at a time, and how many where it was asked. */
const delegateCapacity = 1024
const negotiatedDelegateCapacity = 4096

/** How long a client that has said goodbye may take to read what it was told. */
const flushTime = "100 millis"

const cancelled = "code-mode request cancelled"

interface Running {
  readonly operation: Operation
  readonly method: Message.Request["method"]
  readonly fiber: Fiber.Fiber<void, Session.OperationError>
}

class Connection {
  private readonly host: Host
  private readonly outgoing: Outgoing
  private readonly scope: Scope.Scope
  private readonly clock: Clock.Clock
  private readonly runFork: <A, E>(effect: Effect.Effect<A, E, Isolate>) => Fiber.Fiber<A, E>
  private readonly ended: Deferred.Deferred<void, ConnectionError>

  private isEnded = false
  private client: Session.Client | undefined
  private readonly sessions = new Map<string, Deferred.Deferred<Session.Session, Session.OperationError>>()
  private readonly endedSessions = new Remembered<string>(maxRemembered)
  private readonly operations = new Map<Message.MessageId, Running>()
  private readonly endedOperations = new Remembered<Message.MessageId>(maxRemembered)

  constructor(options: {
    readonly host: Host
    readonly outgoing: Outgoing
    readonly scope: Scope.Scope
    readonly clock: Clock.Clock
    readonly context: Context.Context<Isolate>
    readonly ended: Deferred.Deferred<void, ConnectionError>
  }) {
    this.host = options.host
    this.outgoing = options.outgoing
    this.scope = options.scope
    this.clock = options.clock
    this.runFork = Effect.runForkWith(options.context)
    this.ended = options.ended
  }

  /** From here on nothing is heard, and nobody is answered. */
  end(exit: Exit.Exit<void, ConnectionError>): void {
    if (!this.isEnded) {
      this.isEnded = true
      this.outgoing.seal()
      for (const { fiber } of this.operations.values()) {
        fiber.interruptUnsafe()
      }
      Deferred.doneUnsafe(this.ended, exit)
    }
  }

  fail(text: string): void {
    this.end(Exit.fail(new ConnectionError({ text })))
  }

  // ---------------------------------------------------------------------------
  // Messages
  // ---------------------------------------------------------------------------

  receive(payload: Buffer): void {
    if (this.isEnded) {
      return
    }
    if (!isUtf8(payload)) {
      return this.fail("failed to decode code-mode IPC frame: it is not UTF-8")
    }
    const message = Message.decodeClientMessage(payload.toString())
    if (Result.isFailure(message)) {
      return this.fail(`failed to decode code-mode IPC frame: ${message.failure.text}`)
    }
    if (this.client === undefined) {
      return this.greet(message.success)
    }
    this.handle(message.success, this.client)
  }

  private greet(message: Message.ClientMessage): void {
    const answer = Handshake.greet(message)
    this.outgoing.post(answer)
    if (answer.type === "connection/rejected") {
      return this.end(Exit.void)
    }
    const granted: ReadonlySet<string> = new Set(answer.capabilities)
    const { limits, liveCells } = this.host
    // The capability does not undo a bound that is there to be low.
    const capacity = granted.has("delegate-capacity-4096") && limits.maxToolCallsInFlight >= delegateCapacity
      ? Math.max(negotiatedDelegateCapacity, limits.maxToolCallsInFlight)
      : limits.maxToolCallsInFlight
    this.client = {
      outgoing: this.outgoing,
      delegate: new ClientDelegate(this.outgoing, capacity),
      limits: Limits.make({ ...limits, maxToolCallsInFlight: capacity }),
      liveCells
    }
  }

  private handle(message: Message.ClientMessage, client: Session.Client): void {
    switch (message.type) {
      case "connection/hello":
        return this.fail("received a second code-mode client hello")
      case "operation/request":
        return this.begin(message.id, message.request, client)
      case "operation/cancel":
        return this.cancel(message.id)
      case "operation/yield": {
        const running = this.operations.get(message.id)
        if (running !== undefined) {
          this.runFork(running.operation.requestYield)
        }
        return
      }
      case "delegate/response":
        return client.delegate.answer(message.id, message.result)
    }
  }

  // ---------------------------------------------------------------------------
  // Operations
  // ---------------------------------------------------------------------------

  private begin(id: Message.MessageId, request: Message.Request, client: Session.Client): void {
    if (this.operations.has(id) || this.endedOperations.has(id)) {
      return this.fail(`duplicate code-mode request ID ${id}`)
    }
    const operation = new Operation(id, this.outgoing, this.clock)
    if (this.operations.size >= maxOperations) {
      this.endedOperations.add(id)
      return operation.fail(tooManyOperations)
    }
    const fiber = this.runFork(this.run(operation, request, client))
    this.operations.set(id, { operation, method: request.method, fiber })
    fiber.addObserver((exit) => this.finish(operation, exit))
  }

  private finish(operation: Operation, exit: Exit.Exit<void, Session.OperationError>): void {
    this.operations.delete(operation.id)
    this.endedOperations.add(operation.id)
    if (Exit.isSuccess(exit)) {
      return
    }
    const failure = Cause.findErrorOption(exit.cause)
    if (Option.isSome(failure)) {
      return operation.fail(failure.value.text)
    }
    if (Cause.hasInterruptsOnly(exit.cause)) {
      return operation.fail(cancelled)
    }
    this.runFork(Effect.logError("a request of a client failed for no reason of its own", exit.cause))
    operation.fail("code-mode request task failed")
  }

  private cancel(id: Message.MessageId): void {
    const running = this.operations.get(id)
    if (running?.method === "session/wait") {
      running.fiber.interruptUnsafe()
    } else if (running?.method === "session/execute" && !running.operation.isStarted()) {
      // Its cell may be there the next moment. It is stopped then.
      running.operation.fail(cancelled)
    }
  }

  private run(
    operation: Operation,
    request: Message.Request,
    client: Session.Client
  ): Effect.Effect<void, Session.OperationError, Isolate> {
    switch (request.method) {
      case "session/open":
        return this.open(operation, request, client)
      case "session/execute":
        return Effect.flatMap(this.session(request.sessionId), (session) => session.execute(operation, request))
      case "session/wait":
        return Effect.flatMap(this.session(request.sessionId), (session) => session.wait(operation, request))
      case "session/terminate":
        return Effect.flatMap(this.session(request.sessionId), (session) => session.terminate(operation, request))
      case "session/shutdown":
        return Effect.flatMap(this.takeSession(request.sessionId), (session) => session.shutdown(operation))
    }
  }

  // ---------------------------------------------------------------------------
  // Sessions
  // ---------------------------------------------------------------------------

  private open(operation: Operation, message: Message.Open, client: Session.Client) {
    const { sessionId } = message
    if (this.sessions.has(sessionId)) {
      return refuse(`code-mode session ID \`${sessionId}\` is already open`)
    }
    if (this.endedSessions.has(sessionId)) {
      return refuse(`code-mode session ID \`${sessionId}\` was reused`)
    }
    const opened = Deferred.makeUnsafe<Session.Session, Session.OperationError>()
    this.sessions.set(sessionId, opened)
    return Session.make(client, message).pipe(
      Scope.provide(this.scope),
      Effect.onError(() => Effect.sync(() => this.sessions.delete(sessionId))),
      Effect.mapError(({ message }) => new Session.OperationError({ text: message })),
      // The answer goes out before anything that happens in the session.
      Effect.tap(() => Effect.sync(() => operation.answer({ type: "session/ready", sessionId }))),
      Effect.onExit((exit) => Deferred.done(opened, exit)),
      Effect.asVoid
    )
  }

  private session(sessionId: string): Effect.Effect<Session.Session, Session.OperationError> {
    const opened = this.sessions.get(sessionId)
    return opened === undefined ? refuse(`unknown code-mode session ${sessionId}`) : Deferred.await(opened)
  }

  /** A session that no later request is to find. */
  private takeSession(sessionId: string): Effect.Effect<Session.Session, Session.OperationError> {
    const session = this.session(sessionId)
    if (this.sessions.delete(sessionId)) {
      this.endedSessions.add(sessionId)
    }
    return session
  }
}

const refuse = (text: string) => Effect.fail(new Session.OperationError({ text }))

/** Serves a client until it leaves. Nothing of it is left then. */
export const serve = Effect.fnUntraced(function*(
  host: Host,
  { input, output }: { readonly input: Readable; readonly output: Writable }
): Effect.fn.Return<void, ConnectionError, Isolate> {
  const context = Context.omit(Scope.Scope)(yield* Effect.context<Isolate>()) as Context.Context<Isolate>
  const clock = yield* Clock.Clock
  const ended = Deferred.makeUnsafe<void, ConnectionError>()
  const outgoing = new Outgoing(output, host.maxFrameBytes)
  // All sessions of a client end in one grace.
  const scope = yield* Scope.make("parallel")
  const connection = new Connection({ host, outgoing, scope, clock, context, ended })
  const decoder = new Frame.Decoder((payload) => connection.receive(payload), host.maxFrameBytes)

  let leaveRoom = () => {}
  const onData = (bytes: Buffer) => {
    // A bug in what follows is to cost this client its connection, and not the others theirs.
    const pushed = Result.try({ try: () => decoder.push(bytes), catch: (bug) => bug })
    if (Result.isFailure(pushed)) {
      connection.end(Exit.die(pushed.failure))
    } else if (pushed.success !== undefined) {
      connection.fail(pushed.success.text)
    } else if (outgoing.isCrowded()) {
      input.pause()
      leaveRoom = outgoing.whenRoom(() => input.resume())
    }
  }
  const onEnd = () => {
    if (decoder.isComplete()) {
      connection.end(Exit.void)
    } else {
      connection.fail("the code-mode client left in the middle of a frame")
    }
  }
  const onLost = () => connection.end(Exit.void)

  yield* Effect.sync(() => {
    input.on("data", onData).on("end", onEnd).on("error", onLost).on("close", onLost)
    output.on("error", onLost).on("close", onLost)
  })
  yield* Deferred.await(ended).pipe(
    Effect.ensuring(Effect.suspend(() => {
      connection.end(Exit.void)
      leaveRoom()
      input.off("data", onData).pause()
      return Effect.all([Scope.close(scope, Exit.void), Effect.timeoutOption(outgoing.flush, flushTime)], {
        concurrency: "unbounded",
        discard: true
      })
    }))
  )
})
