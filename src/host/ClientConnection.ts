/**
 * One client from its first byte to its last: the handshake, its sessions, and what it asks of them.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { isUtf8 } from "node:buffer"
import { Remembered } from "../data/Remembered.ts"
import * as Scopeless from "../data/Scopeless.ts"
import type { Isolate } from "../Isolate.ts"
import { Limits } from "../Protocol.ts"
import * as Utf8 from "../text/Utf8.ts"
import * as Frame from "../wire/Frame.ts"
import * as Handshake from "../wire/Handshake.ts"
import * as Message from "../wire/Message.ts"
import { Outgoing } from "../wire/Outgoing.ts"
import type { SharedByClients } from "../wire/Serving.ts"
import { ConnectionError, type Transport } from "../wire/Transport.ts"
import { ClientDelegate } from "./ClientDelegate.ts"
import { Operation, OperationError } from "./Operation.ts"
import * as Post from "./Post.ts"
import * as Session from "./Session.ts"

/** Requests of one client that may be in flight. */
const maxOperations = 4096

const maxRemembered = 4096

/** How long a client that has said goodbye may take to read what it was told. */
const flushTime = "100 millis"

interface Options {
  readonly host: SharedByClients
  readonly outgoing: Outgoing
  /** Of its sessions. */
  readonly scope: Scope.Scope
  readonly clock: Clock.Clock
  readonly runFork: <A, E>(effect: Effect.Effect<A, E, Isolate>) => Fiber.Fiber<A, E>
  readonly ended: Deferred.Deferred<void, ConnectionError>
}

/** Once it has said hello. */
interface Client {
  readonly delegate: ClientDelegate
  readonly bounds: Pick<Session.Client, "limits" | "liveCells">
}

class ClientConnection {
  private readonly options: Options
  private readonly post: Post.Post
  private isEnded = false
  private client: Client | undefined
  private readonly sessions = new Map<string, Deferred.Deferred<Session.Session, OperationError>>()
  private readonly endedSessions = new Remembered<string>(maxRemembered)
  private readonly operations = new Map<Message.MessageId, Operation>()
  private readonly endedOperations = new Remembered<Message.MessageId>(maxRemembered)

  constructor(options: Options) {
    this.options = options
    this.post = Post.make(options.outgoing, options.host.maxFrameBytes)
  }

  /** From here on nothing is heard, and nothing is answered. */
  end(exit: Exit.Exit<void, ConnectionError>): void {
    if (!this.isEnded) {
      this.isEnded = true
      this.options.outgoing.seal()
      for (const operation of this.operations.values()) {
        operation.interrupt()
      }
      Deferred.doneUnsafe(this.options.ended, exit)
    }
  }

  fail(text: string): void {
    this.end(Exit.fail(new ConnectionError({ message: text })))
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
      return this.fail(`failed to decode code-mode IPC frame: ${message.failure}`)
    }
    if (this.client === undefined) {
      return this.greet(message.success)
    }
    this.handle(message.success, this.client)
  }

  private greet(message: Message.ClientMessage): void {
    const answer = Handshake.greet(message)
    this.post(answer)
    if (answer.type === "connection/rejected") {
      return this.end(Exit.void)
    }
    const granted: ReadonlySet<string> = new Set(answer.capabilities)
    const { limits, liveCells } = this.options.host
    const capacity = granted.has("delegate-capacity-4096")
      ? Session.raisedToolCalls(limits)
      : limits.maxToolCallsInFlight
    this.client = {
      delegate: new ClientDelegate(this.options.outgoing, this.post, capacity),
      bounds: { limits: Limits.make({ ...limits, maxToolCallsInFlight: capacity }), liveCells }
    }
  }

  private handle(message: Message.ClientMessage, client: Client): void {
    switch (message.type) {
      case "connection/hello":
        return this.fail("received a second code-mode client hello")
      case "operation/request":
        return this.begin(message.id, message.request, client)
      case "operation/cancel":
        return this.operations.get(message.id)?.cancel()
      case "operation/yield":
        this.options.runFork(this.operations.get(message.id)?.requestYield ?? Effect.void)
        return
      case "delegate/response":
        return client.delegate.answer(message.id, message.result)
    }
  }

  // ---------------------------------------------------------------------------
  // Operations
  // ---------------------------------------------------------------------------

  private begin(id: Message.MessageId, request: Message.Request, client: Client): void {
    if (this.operations.has(id) || this.endedOperations.has(id)) {
      return this.fail(`duplicate code-mode request ID ${id}`)
    }
    const operation = new Operation(id, request.method, this.post, this.options.clock)
    if (this.operations.size >= maxOperations) {
      this.endedOperations.set(id, true)
      return operation.fail("code-mode host has too many in-flight requests")
    }
    this.operations.set(id, operation)
    operation.run(this.options.runFork, this.run(operation, request, client), () => {
      this.operations.delete(id)
      this.endedOperations.set(id, true)
    })
  }

  private run(
    operation: Operation,
    request: Message.Request,
    client: Client
  ): Effect.Effect<void, OperationError, Isolate> {
    switch (request.method) {
      case "session/open":
        return this.open(operation, request, client)
      case "session/execute":
        return this.ask(request.sessionId, (session) => execute(session, operation, request))
      case "session/wait":
        return this.ask(request.sessionId, (session) =>
          session.wait(operation, {
            cellId: request.request.cell_id,
            yieldMillis: request.request.yield_time_ms,
            budget: request.maxOutputTokens
          }))
      case "session/terminate":
        return this.ask(
          request.sessionId,
          (session) => session.terminate(operation, { cellId: request.cellId, budget: request.maxOutputTokens })
        )
      case "session/shutdown":
        return Effect.flatMap(this.takeSession(request.sessionId), (session) =>
          Effect.andThen(
            session.shutdown,
            Effect.sync(() => operation.answer({ type: "session/closed", sessionId: request.sessionId }))
          ))
    }
  }

  // ---------------------------------------------------------------------------
  // Sessions
  // ---------------------------------------------------------------------------

  private open(operation: Operation, message: Message.Open, client: Client) {
    const { sessionId } = message
    if (this.sessions.has(sessionId)) {
      return refuse(`code-mode session ID \`${sessionId}\` is already open`)
    }
    if (this.endedSessions.has(sessionId)) {
      return refuse(`code-mode session ID \`${sessionId}\` was reused`)
    }
    const opened = Deferred.makeUnsafe<Session.Session, OperationError>()
    this.sessions.set(sessionId, opened)
    return Session.make({
      ...client.bounds,
      room: this.options.outgoing.room,
      delegate: (announced) => client.delegate.forSession(sessionId, announced),
      onClosed: (cellId) => this.post({ type: "cell/closed", sessionId, cellId })
    }, {
      sessionId,
      maxYieldMillis: message.cellExecutionLimits?.maxYieldTimeMs,
      maxHeapSizeBytes: message.cellExecutionLimits?.maxHeapSizeBytes,
      truncates: message.outputTruncation === "server"
    }).pipe(
      Scope.provide(this.options.scope),
      Effect.onError(() => Effect.sync(() => this.sessions.delete(sessionId))),
      Effect.mapError(({ message }) => new OperationError({ message })),
      // The answer goes out before anything that happens in the session.
      Effect.tap(() => Effect.sync(() => operation.answer({ type: "session/ready", sessionId }))),
      Effect.onExit((exit) => Deferred.done(opened, exit)),
      Effect.asVoid
    )
  }

  private session(sessionId: string): Effect.Effect<Session.Session, OperationError> {
    const opened = this.sessions.get(sessionId)
    return opened === undefined ? refuse(`unknown code-mode session ${sessionId}`) : Deferred.await(opened)
  }

  private ask(
    sessionId: string,
    request: (session: Session.Session) => Effect.Effect<void, { readonly message: string }>
  ): Effect.Effect<void, OperationError> {
    return Effect.flatMap(
      this.session(sessionId),
      (session) => Effect.mapError(request(session), ({ message }) => new OperationError({ message }))
    )
  }

  /** A session that no later request is to find. */
  private takeSession(sessionId: string): Effect.Effect<Session.Session, OperationError> {
    const session = this.session(sessionId)
    if (this.sessions.delete(sessionId)) {
      this.endedSessions.set(sessionId, true)
    }
    return session
  }
}

const refuse = (text: string) => Effect.fail(new OperationError({ message: text }))

const toTool = (tool: Message.ToolDefinition) => ({
  name: tool.name,
  toolName: { name: tool.tool_name.name, namespace: tool.tool_name.namespace ?? null },
  description: tool.description,
  kind: tool.kind
})

const execute = (session: Session.Session, operation: Operation, { request }: Message.Execute) => {
  const budget = request.max_output_tokens
  if ((budget ?? 0) < 0) {
    return refuse(`invalid code-mode execute request: max_output_tokens is ${budget}`)
  }
  return session.execute(operation, {
    cell: {
      callId: request.tool_call_id,
      source: request.source,
      tools: request.enabled_tools.map(toTool)
    },
    yieldMillis: request.yield_time_ms,
    budget
  })
}

/** Serves a client until it leaves. Nothing of it is left then. */
export const serve = Effect.fnUntraced(function*(
  host: SharedByClients,
  transport: Transport
): Effect.fn.Return<void, ConnectionError, Isolate> {
  const runFork = Effect.runForkWith(yield* Scopeless.context<Isolate>())
  const clock = yield* Clock.Clock
  const ended = Deferred.makeUnsafe<void, ConnectionError>()
  const outgoing = new Outgoing(host.maxFrameBytes)
  // All sessions of a client end in one grace.
  const scope = yield* Scope.make("parallel")
  const connection = new ClientConnection({ host, outgoing, scope, clock, runFork, ended })
  const decoder = new Frame.Decoder((payload) => connection.receive(payload), host.maxFrameBytes)

  const hear = (bytes: Uint8Array) =>
    Effect.suspend(() => {
      const error = decoder.push(Utf8.view(bytes))
      if (error !== undefined) {
        connection.fail(error.message)
      }
      return outgoing.uncrowded
    })

  const reading = Stream.runForEach(transport.input, hear).pipe(
    Effect.onExit((exit) =>
      Effect.sync(() => {
        if (Exit.isFailure(exit)) {
          // A bug is to cost this client its connection, and not the others theirs.
          connection.end(Cause.hasDies(exit.cause) ? Exit.die(Cause.squash(exit.cause)) : Exit.void)
        } else if (decoder.isComplete()) {
          connection.end(Exit.void)
        } else {
          connection.fail("the code-mode client left in the middle of a frame")
        }
      })
    )
  )
  const writing = Effect.ensuring(outgoing.writeTo(transport.output), Effect.sync(() => connection.end(Exit.void)))

  yield* Effect.gen(function*() {
    yield* Effect.forkScoped(writing, { startImmediately: true })
    const hearing = yield* Effect.forkScoped(reading, { startImmediately: true })
    yield* Deferred.await(ended).pipe(
      Effect.ensuring(Effect.suspend(() => {
        connection.end(Exit.void)
        hearing.interruptUnsafe()
        return Effect.all([Scope.close(scope, Exit.void), Effect.timeoutOption(outgoing.flush, flushTime)], {
          concurrency: "unbounded",
          discard: true
        })
      }))
    )
  }).pipe(Effect.scoped)
})
