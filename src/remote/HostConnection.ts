/**
 * A client's side of a connection to a host, which its sessions share.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as RpcClient from "effect/rpc/RpcClient"
import type { RpcClientError } from "effect/rpc/RpcClientError"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Scope from "effect/Scope"
import { ToolError } from "../Protocol.ts"
import * as Frame from "../wire/Frame.ts"
import { ConnectionError } from "../wire/Transport.ts"
import * as Link from "./Link.ts"
import type { RemoteCallbacks } from "./RemoteCallbacks.ts"
import * as Rpcs from "./Rpcs.ts"
import { HostFailure, type Way } from "./Way.ts"

/** A session as its connection knows it. */
export interface Attached {
  readonly callbacks: RemoteCallbacks
  /** Called when the host is gone, before any caller that waits for it hears of that. */
  readonly onLost: (failure: HostFailure) => void
}

export interface Connection {
  readonly rpc: RpcClient.FromGroup<typeof Rpcs.SessionRpcs, RpcClientError>
  /** Waits until the host has read enough of what it was sent. */
  readonly room: Effect.Effect<void>
  /** Sessions by their number. */
  readonly sessions: Map<number, Attached>
  readonly newSession: () => number
  /** Why the connection is over, if it is. */
  readonly failure: () => HostFailure | undefined
  readonly ended: Effect.Effect<void, ConnectionError>
  /** Gives the host up. */
  readonly lose: (text: string) => HostFailure
}

/** How long a host may take to answer, beyond the time that an observation is to last. */
export const patience = Duration.seconds(61)

const unknownSession = Effect.suspend(() => Effect.fail(new ToolError({ text: "unknown session" })))

const make = Effect.fnUntraced(function*(
  { gone, transport, why }: Way,
  maxFrameBytes: number,
  onLost: () => void
): Effect.fn.Return<Connection, never, Scope.Scope> {
  const sessions = new Map<number, Attached>()
  let lastSession = 0
  let failure: HostFailure | undefined
  const link = yield* Link.make(transport, {
    peer: "code-mode host",
    maxFrameBytes,
    tooLong: (text) => ({ _tag: "ToolError", text: `the result is too long: ${text}` }),
    hearsReadersOnly: false,
    gone,
    whyEnded: Effect.flatMap(why, (text) => Effect.fail(new ConnectionError({ message: text }))),
    onEnd: ({ message }) => {
      const lost = failure = new HostFailure({ message })
      onLost()
      sessions.forEach((session) => session.onLost(lost))
      sessions.clear()
    }
  })
  const rpc = yield* Link.makeClient(link, Rpcs.SessionRpcs)
  yield* RpcServer.make(Rpcs.DelegateRpcs, { disableTracing: true, disableFatalDefects: true }).pipe(
    Effect.provide(Rpcs.DelegateRpcs.toLayer({
      InvokeTool: ({ call, callback, session, traceparent }) =>
        sessions.get(session)?.callbacks.invokeTool(callback, call, traceparent) ?? unknownSession,
      Notify: ({ callback, notification, session }) =>
        sessions.get(session)?.callbacks.notify(callback, notification) ?? Effect.void,
      Cancel: ({ callback, session }) => sessions.get(session)?.callbacks.cancel(callback) ?? Effect.void
    })),
    Effect.provideService(RpcServer.Protocol, link.server),
    Effect.forkScoped({ startImmediately: true })
  )
  // Before anything of it is taken away, so that a caller that waits for an answer hears why there is none.
  yield* Effect.addFinalizer(() => Effect.sync(() => link.end(Exit.void)))
  return {
    rpc,
    room: link.room,
    sessions,
    newSession: () => ++lastSession,
    failure: () => failure,
    ended: link.ended,
    lose: (text) => {
      link.end(Exit.fail(new ConnectionError({ message: text })))
      return failure!
    }
  }
})

/** What several need, made for the first of them, for as long as it is good. */
export interface Shared<A, E> {
  readonly get: Effect.Effect<A, E>
  readonly forget: () => void
}

export const shared = <A, E>(
  runFork: (effect: Effect.Effect<unknown>) => unknown,
  make: Effect.Effect<A, E>
): Shared<A, E> => {
  let current: Deferred.Deferred<A, E> | undefined
  const forget = () => {
    current = undefined
  }
  return {
    get: Effect.suspend(() => {
      if (current === undefined) {
        const made = current = Deferred.makeUnsafe<A, E>()
        // Detached: the next caller finds it, even if the first caller has gone.
        runFork(make.pipe(Effect.onError(() => Effect.sync(forget)), Deferred.into(made)))
      }
      return Deferred.await(current)
    }),
    forget
  }
}

/** The connection to a host, one after the other: a new one is made when the one before is lost and one is needed. */
export type Connections = Effect.Effect<Connection, HostFailure>

export const makeConnections = Effect.fnUntraced(function*<R>(
  way: Effect.Effect<Way, HostFailure, R | Scope.Scope>,
  maxFrameBytes: number | undefined
): Effect.fn.Return<Connections, never, R | Scope.Scope> {
  const scope = yield* Effect.scope
  const runFork = Effect.runForkWith(yield* Effect.context<R>())
  let isClosed = false
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      isClosed = true
    })
  )
  const connect = Effect.gen(function*() {
    if (isClosed) {
      return yield* new HostFailure({ message: "the connection is closed" })
    }
    const host = yield* Scope.fork(scope)
    const connection = yield* way.pipe(
      Effect.flatMap((way) => make(way, Frame.maxPayloadOf(maxFrameBytes), () => connections.forget())),
      Scope.provide(host),
      Effect.onError(() => Scope.close(host, Exit.void))
    )
    runFork(Effect.andThen(Effect.exit(connection.ended), Scope.close(host, Exit.void)))
    return connection
  })
  const connections: Shared<Connection, HostFailure> = shared(
    runFork,
    connect as Effect.Effect<Connection, HostFailure>
  )
  return connections.get
})
