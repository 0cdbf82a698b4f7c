/**
 * One connection on which both sides ask and answer: RPC in both directions, over frames of JSON.
 *
 * **Details**
 *
 * Nothing that reads here ever waits for something to be written, so two sides that both have much to say cannot hold
 * each other up. What would fill the memory waits elsewhere: a host hears a client no further that asks and does not
 * read, streams go on once their last piece was received, and `room` is for everything else that can wait.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import { RpcClientDefect, RpcClientError } from "effect/rpc/RpcClientError"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import type { FromClientEncoded, FromServerEncoded } from "effect/rpc/RpcMessage"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Utf8 from "../text/Utf8.ts"
import * as Frame from "../wire/Frame.ts"
import { Outgoing } from "../wire/Outgoing.ts"
import { ConnectionError, type Transport } from "../wire/Transport.ts"

export interface Link {
  readonly server: RpcServer.Protocol["Service"]
  readonly client: RpcClient.Protocol["Service"]
  /** Waits until a client of the protocol takes answers. */
  readonly clientRuns: Effect.Effect<void>
  /** Waits until the other side has read enough of what it was sent. */
  readonly room: Effect.Effect<void>
  /** Ends the connection, for the first reason that is given. */
  readonly end: (exit: Exit.Exit<void, ConnectionError>) => void
  readonly ended: Effect.Effect<void, ConnectionError>
}

export interface Options {
  /** What the other side is called. */
  readonly peer: string
  readonly maxFrameBytes: number
  /** What an answer that does not fit into a frame is replaced by: a typed failure, as it is written. */
  readonly tooLong: (text: string) => unknown
  /** Whether the other side is heard no further while it does not read. */
  readonly hearsReadersOnly: boolean
  /** Is over when the other side is known to be gone, whatever its streams say. */
  readonly gone: Effect.Effect<unknown>
  /** Why the other side is gone, asked once it is. */
  readonly whyEnded: Effect.Effect<void, ConnectionError>
  /** Called when the connection is over, before any caller that waits for an answer hears of it. */
  readonly onEnd: (why: ConnectionError) => void
}

/** How long the last that was said may take to arrive when the other side does not take anything any more. */
const lastWords = "250 millis"

/** How long the other side may take to read the last that it is told. */
const flushTime = "100 millis"

type Message = FromClientEncoded | FromServerEncoded

const { codecFor } = RpcSerialization.json
const clientId = 0

const toClientError = (cause: ConnectionError | Frame.FrameError) =>
  new RpcClientError({ reason: new RpcClientDefect({ message: cause.message, cause }) })

/** Makes a connection that is over when its scope closes. */
export const make = Effect.fnUntraced(function*(
  transport: Transport,
  { gone, hearsReadersOnly, maxFrameBytes, onEnd, peer, tooLong, whyEnded }: Options
): Effect.fn.Return<Link, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const runFork = Effect.runForkWith(yield* Effect.context<Scope.Scope>())
  const violation = (text: string) => new ConnectionError({ message: `the ${peer} broke the protocol: ${text}` })
  const outgoing = new Outgoing(maxFrameBytes)
  const ended = Deferred.makeUnsafe<void, ConnectionError>()
  /** Set once the connection is over. */
  let over: ConnectionError | undefined
  const disconnects = yield* Queue.unbounded<number>()

  // ---------------------------------------------------------------------------
  // Out
  // ---------------------------------------------------------------------------

  const post = (message: Message): Frame.FrameError | undefined => {
    const frame = Frame.encode(JSON.stringify(message), maxFrameBytes)
    if (frame instanceof Frame.FrameError) {
      return frame
    }
    outgoing.post(frame)
    return undefined
  }

  const fail = (requestId: string | number, { message }: Frame.FrameError) =>
    post({ _tag: "Exit", requestId, exit: { _tag: "Failure", cause: [{ _tag: "Fail", error: tooLong(message) }] } })

  const respond = (response: FromServerEncoded): Effect.Effect<void> =>
    Effect.suspend(() => {
      const error = post(response)
      if (error === undefined || !("requestId" in response)) {
        return Effect.void
      }
      if (response._tag === "Chunk" && response.values.length > 1) {
        const half = Math.ceil(response.values.length / 2)
        const part = (values: ReadonlyArray<unknown>) =>
          respond({ ...response, values: values as typeof response.values })
        return Effect.andThen(part(response.values.slice(0, half)), part(response.values.slice(half)))
      }
      fail(response.requestId, error)
      // A stream is not to go on.
      return response._tag === "Chunk" ? Effect.die(error) : Effect.void
    })

  const request = (message: FromClientEncoded): Effect.Effect<void, RpcClientError> =>
    Effect.suspend(() => {
      const error = over ?? post(message)
      return error === undefined ? Effect.void : Effect.fail(toClientError(error))
    })

  // ---------------------------------------------------------------------------
  // In
  // ---------------------------------------------------------------------------

  let toServer!: (clientId: number, message: FromClientEncoded) => Effect.Effect<void>
  const server = yield* RpcServer.Protocol.make((write) => {
    toServer = write
    return Effect.succeed({
      disconnects,
      send: (_clientId, response) => respond(response),
      end: () => Effect.void,
      clientIds: Effect.succeed(new Set([clientId])),
      initialMessage: Effect.succeedNone,
      supportsAck: true,
      supportsTransferables: false,
      supportsSpanPropagation: false,
      supportsNotifications: false,
      codecFor
    })
  })

  let toClient!: (clientId: number, message: FromServerEncoded) => Effect.Effect<void>
  let clients!: ReadonlySet<number>
  const clientRuns = Deferred.makeUnsafe<void>()
  const protocol = yield* RpcClient.Protocol.make((write, clientIds) => {
    toClient = write
    clients = clientIds
    return Effect.succeed({
      send: (_clientId, message) => request(message),
      supportsAck: true,
      supportsTransferables: false,
      codecFor
    })
  })
  const client: typeof protocol = {
    ...protocol,
    run: (id, hear) =>
      Effect.suspend(() => {
        Deferred.doneUnsafe(clientRuns, Effect.void)
        return protocol.run(id, hear)
      })
  }
  const toClients = (message: FromServerEncoded) =>
    Effect.forEach(Array.from(clients), (id) => toClient(id, message), { discard: true })

  /** By request: pieces of streams that their readers have no room for. */
  const waiting = new Map<string | number, Fiber.Fiber<void>>()

  /** Hands on an answer, after what came before it. A slow reader holds up no other. */
  const answer = (message: Extract<FromServerEncoded, { readonly requestId: unknown }>): Effect.Effect<void> => {
    const { requestId } = message
    const before = waiting.get(requestId)
    if (before === undefined && message._tag === "Exit") {
      return toClients(message)
    }
    const handOn = before === undefined ? toClients(message) : Effect.andThen(Fiber.await(before), toClients(message))
    return Effect.map(Effect.forkIn(handOn, scope, { startImmediately: true }), (fiber) => {
      if (fiber.pollUnsafe() === undefined) {
        waiting.set(requestId, fiber)
        fiber.addObserver(() => waiting.get(requestId) === fiber && waiting.delete(requestId))
      }
    })
  }

  const handle = (message: unknown): Effect.Effect<void, ConnectionError> => {
    const known = message as Message
    switch (Predicate.hasProperty(message, "_tag") ? known._tag : undefined) {
      case "Request":
      case "Ack":
      case "Interrupt":
        return toServer(clientId, known as FromClientEncoded)
      case "Chunk":
      case "Exit":
        return answer(known as Parameters<typeof answer>[0])
      default:
        return Effect.fail(violation(JSON.stringify(message).slice(0, 200)))
    }
  }

  const messages: Array<unknown> = []
  const decoder = new Frame.Decoder((payload) => messages.push(JSON.parse(payload.toString())), maxFrameBytes)

  const hear = (bytes: Uint8Array): Effect.Effect<void, ConnectionError> =>
    Effect.suspend(() => {
      const pushed = Result.try({
        try: () => decoder.push(Utf8.view(bytes)),
        catch: (error) => violation(String(error))
      })
      const error = Result.isFailure(pushed) ? pushed.failure : pushed.success && violation(pushed.success.message)
      if (error !== undefined) {
        return Effect.fail(error)
      }
      return Effect.andThen(
        Effect.forEach(messages.splice(0), handle, { discard: true }),
        hearsReadersOnly ? outgoing.uncrowded : Effect.void
      )
    })

  // ---------------------------------------------------------------------------
  // The end
  // ---------------------------------------------------------------------------

  /** What is wrong with what was read to its end, if anything is. */
  const whatWasRead = (exit: Exit.Exit<void, unknown>): Effect.Effect<void, ConnectionError> => {
    if (Exit.isSuccess(exit)) {
      return decoder.isComplete() ? Effect.void : Effect.fail(violation("it left in the middle of a frame"))
    }
    const error = Cause.squash(exit.cause)
    return error instanceof ConnectionError
      ? Effect.fail(error)
      // A connection that broke is one that ended.
      : Cause.hasFails(exit.cause)
      ? Effect.void
      : Effect.fail(violation(Cause.hasInterruptsOnly(exit.cause) ? "it repeated a request" : String(error)))
  }

  const end = (exit: Exit.Exit<void, ConnectionError>) => {
    if (over === undefined) {
      over = Option.getOrElse(
        Exit.findErrorOption(exit),
        () => new ConnectionError({ message: "the connection is closed" })
      )
      outgoing.seal()
      onEnd(over)
      runFork(toClients({ _tag: "ClientProtocolError", error: toClientError(over) }))
      Queue.offerUnsafe(disconnects, clientId)
      Deferred.doneUnsafe(ended, exit)
    }
  }

  const writing = yield* Effect.forkIn(outgoing.writeTo(transport.output), scope, { startImmediately: true })
  const reading = yield* Stream.runForEach(transport.input, hear).pipe(
    Effect.forkIn(scope, { startImmediately: true })
  )
  yield* Effect.raceFirst(
    Effect.flatMap(Fiber.await(reading), whatWasRead),
    Effect.andThen(Effect.raceFirst(Fiber.await(writing), gone), Effect.sleep(lastWords))
  ).pipe(
    Effect.andThen(whyEnded),
    Effect.exit,
    Effect.map(end),
    Effect.forkIn(scope)
  )
  yield* Effect.addFinalizer(() => Effect.timeoutOption(outgoing.flush, flushTime))

  return {
    server,
    client,
    clientRuns: Deferred.await(clientRuns),
    room: outgoing.room,
    end,
    ended: Deferred.await(ended)
  }
})

/** Makes a client of the other side that takes answers already: one that came before would be lost. */
export const makeClient = <Rpcs extends Rpc.Any>(link: Link, group: RpcGroup.RpcGroup<Rpcs>) =>
  RpcClient.make(group, { disableTracing: true }).pipe(
    Effect.provideService(RpcClient.Protocol, link.client),
    Effect.tap(() => link.clientRuns)
  )
