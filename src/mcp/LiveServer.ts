/**
 * An MCP server that comes back: one that died is started again at the next call, a session that has expired is opened
 * anew.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import type * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Monotonic from "../system/Monotonic.ts"
import * as Client from "./Client.ts"
import { type Failure, Refused, Unanswered, unanswered } from "./Failure.ts"
import * as JsonRpc from "./JsonRpc.ts"
import * as Limits from "./Limits.ts"
import type * as Peer from "./Peer.ts"
import type { ServerConnection } from "./ServerConnection.ts"
import type { ServerTool } from "./ToolList.ts"

/** A server could not be started or reached: why, and what it last wrote. */
export interface NotConnected {
  readonly text: string
  readonly lastWords: string
}

export interface LiveServer {
  readonly identity: Client.Identity
  /** The tools as they were last listed. */
  readonly tools: () => ReadonlyArray<ServerTool>
  readonly callTool: (
    name: string,
    input: Schema.JsonObject,
    options: Peer.RequestOptions
  ) => Effect.Effect<Schema.JsonObject, string>
  readonly listResources: Effect.Effect<Schema.JsonObject, string>
  readonly readResource: (uri: string) => Effect.Effect<Schema.JsonObject, string>
}

export interface Options {
  /** How long the server may take from its start to its list of tools. */
  readonly startTimeout: Duration.Input
  /** What we can do for the server. */
  readonly capabilities: Schema.JsonObject
  /**
   * Answers a request of the server, if it is one that is answered. One that comes while calls are under way is most
   * likely about these: `over` ends with the last of them.
   */
  readonly onRequest: (
    method: string,
    params: Schema.JsonObject,
    over: Effect.Effect<void>
  ) => Effect.Effect<Schema.JsonObject> | undefined
  /** Hears what the server says for its log. */
  readonly onLog: (level: string, text: string) => Effect.Effect<void>
  /** Opens a connection; the end of the scope is its end. */
  readonly open: (handlers: Peer.Handlers) => Effect.Effect<ServerConnection, string, Scope.Scope>
  /** Hears of what is wrong with the server, for a sentence about it. */
  readonly warn: (text: string) => Effect.Effect<void>
  /** Hears that the tools have changed, and which they are now. */
  readonly onToolsChanged: (tools: ReadonlyArray<ServerTool>) => Effect.Effect<void>
}

interface Session {
  readonly connection: ServerConnection
  readonly scope: Scope.Closeable
  readonly startedAt: number
  /** The server has forgotten it: no call is made in it any more, and with the last one it goes. */
  isExpired: boolean
  readonly work: Work
}

/** The calls that are under way. */
interface Work {
  calls: number
  readonly isOver: Latch.Latch
}

/** The most warnings about one listing, and about all of a server's. */
const maxWarnings = 10
const maxWarned = 100

export const withLastWords = (text: string, lastWords: string): string =>
  lastWords === "" ? text : `${text}; it last wrote:\n${lastWords}`

const restartPause = (restarts: number) =>
  restarts === 0 ? 0 : Math.min(Limits.minRestart * 2 ** (restarts - 1), Limits.maxRestart)

const isExpired = (failure: Failure) => failure._tag === "Unanswered" && failure.connection === "expired"

export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<LiveServer, NotConnected, Scope.Scope> {
  const startTimeout = Duration.format(Duration.fromInputUnsafe(options.startTimeout))
  const scope = yield* Effect.scope
  const starting = yield* Semaphore.make(1)
  let tools: ReadonlyArray<ServerTool> = []
  let session: Session | undefined
  let restarts = 0

  const warned = new Set<string>()

  /** Warns of what there was no warning of before: a server that never tires of it is not listened to. */
  const warnOf = Effect.fnUntraced(function*(all: ReadonlyArray<string>) {
    const warnings = warned.size >= maxWarned ? [] : all.filter((each) => !warned.has(each))
    warnings.slice(0, maxWarnings).forEach((each) => warned.add(each))
    yield* Effect.forEach(warnings.slice(0, maxWarnings), options.warn, { discard: true })
    if (warnings.length > maxWarnings) {
      yield* options.warn(`there are ${warnings.length - maxWarnings} more such warnings about its tools`)
    }
  })

  const list = Effect.fnUntraced(function*(connection: ServerConnection) {
    const listed = yield* Client.listTools(connection.peer)
    const now = Array.from(listed.tools.values())
    const isChanged = JSON.stringify(now) !== JSON.stringify(tools)
    tools = isChanged ? now : tools
    yield* warnOf(listed.warnings)
    return isChanged
  })

  /** Lists the tools anew when the server says so, one listing at a time and a second apart. */
  const refresher = Effect.fnUntraced(function*(changed: Latch.Latch, connection: ServerConnection) {
    while (true) {
      yield* changed.await
      yield* changed.close
      yield* list(connection).pipe(
        Effect.flatMap((isChanged) => isChanged ? options.onToolsChanged(tools) : Effect.void),
        Effect.timeoutOrElse({
          duration: options.startTimeout,
          orElse: () => unanswered(`nothing came within ${startTimeout}`)
        }),
        Effect.catch(({ message }) =>
          options.warn(`it said that its tools have changed, and did not list them: ${message}`)
        )
      )
      yield* Effect.sleep(Limits.betweenListings)
    }
  })

  /** Connects, shakes hands and lists the tools. */
  const connect = Effect.fnUntraced(function*(sessionScope: Scope.Closeable, work: Work) {
    const changed = Latch.makeUnsafe(false)
    const handlers: Peer.Handlers = {
      onUnanswered: (text) => warnOf([`not all that it asks is answered: ${text}`]),
      onRequest: (method, params) =>
        method === "ping"
          ? Effect.succeed({})
          : options.onRequest(method, params, work.calls === 0 ? Effect.never : work.isOver.await) ??
            Effect.fail(
              new Refused({
                code: JsonRpc.methodNotFound,
                message: `Method not found: ${JsonRpc.excerpt(method)}`,
                data: undefined
              })
            ),
      onNotification: (method, { data, level }) =>
        method === "notifications/tools/list_changed"
          ? Effect.asVoid(changed.open)
          : method === "notifications/message"
          ? options.onLog(
            typeof level === "string" ? JsonRpc.excerpt(level) : "info",
            JsonRpc.excerpt(JsonRpc.describe(data ?? ""))
          )
          : Effect.void
    }
    const connection = yield* options.open(handlers).pipe(
      Scope.provide(sessionScope),
      Effect.mapError((text): NotConnected => ({ text, lastWords: "" }))
    )
    const identity = yield* Client.initialize(connection, options.capabilities).pipe(
      Effect.tap((identity) =>
        identity.hasTools
          ? Effect.mapError(list(connection), ({ message }) => ({ message: `it did not list its tools: ${message}` }))
          : Effect.void
      ),
      Effect.timeoutOrElse({
        duration: options.startTimeout,
        orElse: () => Effect.fail({ message: `it was not ready within ${startTimeout}` })
      }),
      Effect.mapError(({ message }): NotConnected => ({
        text: connection.peer.closed()?.message ?? message,
        lastWords: connection.lastWords()
      }))
    )
    if (identity.hasTools) {
      yield* Effect.forkIn(refresher(changed, connection), sessionScope)
    }
    return { connection, identity }
  })

  const start = Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
    const sessionScope = yield* Scope.fork(scope)
    const work: Work = { calls: 0, isOver: Latch.makeUnsafe(true) }
    const { connection, identity } = yield* restore(connect(sessionScope, work)).pipe(
      Effect.onError((cause) => Scope.close(sessionScope, Exit.failCause(cause)))
    )
    session = { connection, scope: sessionScope, startedAt: yield* Monotonic.millis, isExpired: false, work }
    return identity
  }))

  const identity = yield* start

  const isUsable = (candidate: Session | undefined): candidate is Session =>
    candidate !== undefined && !candidate.isExpired && candidate.connection.peer.closed() === undefined

  const leave = (left: Session) =>
    Effect.suspend(() => {
      const { work } = left
      if (--work.calls > 0) {
        return Effect.void
      }
      work.isOver.openUnsafe()
      return left.isExpired ? Scope.close(left.scope, Exit.void) : Effect.void
    })

  const restart = Effect.gen(function*() {
    const ended = session
    session = undefined
    if (ended !== undefined && !ended.isExpired) {
      const lived = (yield* Monotonic.millis) - ended.startedAt
      restarts = lived >= Limits.provenAfter ? 0 : restarts
      yield* Scope.close(ended.scope, Exit.void)
      yield* Effect.sleep(restartPause(restarts++))
    }
    yield* start
  })

  /** Enters the session that there is, or a new one. */
  const enter = starting.withPermit(
    Effect.suspend(() => isUsable(session) ? Effect.void : Effect.asVoid(restart)).pipe(
      Effect.map(() => {
        session!.work.calls++
        session!.work.isOver.closeUnsafe()
        return session!
      })
    )
  )

  const call = <A>(ask: (peer: Peer.Peer) => Effect.Effect<A, Failure>) =>
    Effect.acquireUseRelease(
      Effect.interruptible(enter).pipe(
        Effect.mapError(({ lastWords, text }) =>
          new Unanswered({
            connection: "closed",
            message: withLastWords(`it has ended, and cannot be used again: ${text}`, lastWords)
          })
        )
      ),
      (used) =>
        ask(used.connection.peer).pipe(
          Effect.mapError((failure) => {
            used.isExpired ||= isExpired(failure)
            return failure._tag === "Unanswered" && failure.connection === "closed"
              ? new Unanswered({ ...failure, message: withLastWords(failure.message, used.connection.lastWords()) })
              : failure
          })
        ),
      leave
    )

  const answer = <A>(ask: (peer: Peer.Peer) => Effect.Effect<A, Failure>) =>
    call(ask).pipe(
      // The server has not done what it was asked, so it may be asked again.
      Effect.catchIf(isExpired, () => call(ask)),
      Effect.mapError(({ message }) => message)
    )

  return {
    identity,
    tools: () => tools,
    callTool: (name, input, options) => answer((peer) => Client.callTool(peer, name, input, options)),
    listResources: answer(Client.listResources),
    readResource: (uri) => answer((peer) => Client.readResource(peer, uri))
  }
})
