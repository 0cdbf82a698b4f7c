/**
 * A `SessionRuntime` whose cells live at a host: it finds a host, opens a session there, and when the host is gone,
 * starts again with the next cell.
 *
 * **Details**
 *
 * Each host that a session has had is a *generation*. What a generation knew, its cells and stored values, goes with
 * it. Whoever waits for a cell then hears that its isolate was lost; later its id is one of a stale generation.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Delegate } from "../Delegate.ts"
import * as Broadcast from "../internal/Broadcast.ts"
import * as Protocol from "../Protocol.ts"
import { type Cell, type CreateError, type ObserveOptions, type PausableCell, SessionRuntime } from "../Runtime.ts"
import { Client } from "./Client.ts"
import { capability } from "./Extension.ts"
import * as Frame from "./Frame.ts"
import { Remembered } from "./Remembered.ts"
import * as RemoteExtension from "./RemoteExtension.ts"
import { type Kind, type RemoteSession, stale } from "./RemoteSession.ts"
import { HostFailure, type Transport } from "./RemoteTransport.ts"
import * as RemoteVersion1 from "./RemoteVersion1.ts"

/** What a host may be asked for beyond version 1. */
export const capabilities: ReadonlyArray<string> = [
  "delegate-capacity-4096",
  "session-cell-execution-resource-limits",
  "yield-observation",
  capability
]

export interface Options {
  readonly transport: Effect.Effect<Transport, HostFailure, Scope.Scope>
  readonly offer: ReadonlyArray<string>
  readonly limits: Protocol.Limits | undefined
  readonly storedValues: Readonly<Record<string, Schema.Json>> | undefined
  readonly maxFrameBytes?: number | undefined
}

/** How long a host may take to say that a session is closed, once its callbacks have ended. */
const closeWithin = "1 second"

const toCell = (id: Protocol.CellId): Cell => ({ "~effect-code-mode/Runtime/Cell": "continuing", id })
const toPausable = (id: Protocol.CellId): PausableCell => ({ "~effect-code-mode/Runtime/Cell": "pausable", id })

const toWait = (options: ObserveOptions | undefined) =>
  options?.yieldAfter === undefined ? Duration.infinity : Duration.fromInputUnsafe(options.yieldAfter)

const isFailure = (error: unknown): error is HostFailure => error instanceof HostFailure

/** How a cell ends that loses its host. */
const lostOutcome = (cellId: Protocol.CellId, { text }: HostFailure): Protocol.Completed => ({
  _tag: "Completed",
  cellId,
  items: [],
  error: { _tag: "IsolateLost", text }
})

const toLostOutcome = (cellId: Protocol.CellId) => <A, E>(effect: Effect.Effect<A, E | HostFailure>) =>
  Effect.catchIf(effect, isFailure, (failure) => Effect.succeed(lostOutcome(cellId, failure)))

const toIsolateFailure = <A>(effect: Effect.Effect<A, CreateError | HostFailure>) =>
  Effect.catchIf(effect, isFailure, ({ text }) => Effect.fail(new Protocol.IsolateFailure({ text })))

const toStale = (cellId: Protocol.CellId) => <A, E>(effect: Effect.Effect<A, E | HostFailure>) =>
  Effect.catchIf(effect, isFailure, () => Effect.fail(stale(cellId)))

/** Makes a session that lives as long as its scope. */
export const make = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<
  SessionRuntime["Service"],
  HostFailure,
  Delegate | Scope.Scope
> {
  const delegate = yield* Delegate
  // Closed after the session has shut down, whatever host it has by then.
  const hosts = yield* Effect.flatMap(Scope.Scope, Scope.fork)
  const context = Context.omit(Scope.Scope)(yield* Effect.context<Scope.Scope>()) as Context.Context<never>
  const runFork = Effect.runForkWith(context)
  const limits = options.limits ?? Protocol.Limits.make({})
  const lifecycle = Broadcast.make<Protocol.LifecycleEvent>(4 * limits.maxLiveCells)
  /** The live cells of the host, and whether they are settled. */
  const live = new Map<Protocol.CellId, boolean>()
  /** Cells of hosts that are gone. */
  const lost = new Remembered<Protocol.CellId>(limits.maxRememberedCells)
  const terminating = new Set<Protocol.CellId>()
  let generation = 0
  let current: RemoteSession | undefined
  let connecting: Deferred.Deferred<RemoteSession, HostFailure> | undefined
  let closing: Deferred.Deferred<void> | undefined
  let closed = false

  const publish = (event: Protocol.LifecycleEvent) => {
    switch (event._tag) {
      case "Admitted": {
        live.set(event.cellId, false)
        break
      }
      case "Settled": {
        live.set(event.cellId, true)
        break
      }
      case "Closed": {
        live.delete(event.cellId)
        break
      }
      case "Stalled":
    }
    lifecycle.publish([event])
  }

  // ---------------------------------------------------------------------------
  // Hosts
  // ---------------------------------------------------------------------------

  const onLost = (session: RemoteSession, host: Scope.Closeable) => {
    current = undefined
    runFork(Effect.ensuring(session.abandon, Scope.close(host, Exit.void)))
    for (const [cellId, settled] of Array.from(live)) {
      if (!settled) {
        publish({ _tag: "Settled", cellId, outcome: "Failed" })
      }
      publish({ _tag: "Closed", cellId })
      lost.add(cellId)
    }
  }

  const connect = Effect.fnUntraced(function*() {
    const host = yield* Scope.fork(hosts)
    return yield* Effect.gen(function*() {
      const client = new Client(
        yield* Scope.provide(options.transport, host),
        options.offer,
        Frame.maxPayloadOf(options.maxFrameBytes)
      )
      const granted = yield* client.handshake
      const { open } = granted.has(capability) ? RemoteExtension : RemoteVersion1
      const session = yield* open({
        client,
        granted,
        generation: ++generation,
        context,
        delegate,
        limits: options.limits,
        storedValues: options.storedValues,
        publish
      })
      if (closing !== undefined) {
        return yield* new HostFailure({ text: new Protocol.ShuttingDown().message })
      }
      current = session
      client.onLost(() => onLost(session, host))
      return session
    }).pipe(Effect.onError(() => Scope.close(host, Exit.void)))
  })

  /** The session at the host, which is looked for if there is none. */
  const session: Effect.Effect<RemoteSession, HostFailure> = Effect.suspend(() => {
    if (current !== undefined) {
      return Effect.succeed(current)
    }
    if (connecting !== undefined) {
      return Deferred.await(connecting)
    }
    const result = connecting = Deferred.makeUnsafe<RemoteSession, HostFailure>()
    // Detached: whoever needs the host next finds it, even if the first caller has gone.
    runFork(
      connect().pipe(
        Effect.ensuring(Effect.sync(() => {
          connecting = undefined
        })),
        Deferred.into(result)
      )
    )
    return Deferred.await(result)
  })

  /** Makes something in the session, unless it ends. */
  const making = <A>(
    make: (session: RemoteSession) => Effect.Effect<A, CreateError | HostFailure>
  ): Effect.Effect<A, CreateError> =>
    Effect.suspend(() =>
      closing === undefined
        ? toIsolateFailure(Effect.flatMap(session, make)).pipe(
          // The host is taken from under a request that still waits for it.
          Effect.mapError((error) => closing === undefined ? error : new Protocol.ShuttingDown())
        )
        : Effect.fail(new Protocol.ShuttingDown())
    )

  /** Asks something about a cell of the host that is there. */
  const asking = <A, E>(
    cellId: Protocol.CellId,
    ask: (session: RemoteSession) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | Protocol.MissingCell> =>
    Effect.suspend((): Effect.Effect<A, E | Protocol.MissingCell> =>
      closed
        ? Effect.fail(new Protocol.MissingCell({ cellId, finished: true }))
        : current === undefined || lost.has(cellId)
        ? Effect.fail(stale(cellId))
        : ask(current)
    )

  /** A termination lasts until the callbacks here have ended, and the host does not know how long that is. */
  const terminateOnce = <A, E>(cellId: Protocol.CellId, terminate: Effect.Effect<A, E>) =>
    Effect.suspend((): Effect.Effect<A, E | Protocol.AlreadyTerminating> => {
      if (terminating.has(cellId)) {
        return Effect.fail(new Protocol.AlreadyTerminating({ cellId }))
      }
      terminating.add(cellId)
      return Effect.ensuring(terminate, Effect.sync(() => terminating.delete(cellId)))
    })

  // ---------------------------------------------------------------------------
  // Shutdown
  // ---------------------------------------------------------------------------

  const shutdown = Effect.suspend(() => {
    if (closing === undefined) {
      const done = closing = Deferred.makeUnsafe<void>()
      // Without a session there may be a host that has not answered yet.
      const end = current === undefined ? Scope.close(hosts, Exit.void) : current.shutdown.pipe(
        Effect.timeoutOption(Duration.sum(limits.cancellationGrace, Duration.fromInputUnsafe(closeWithin))),
        // A host that is gone has shut down.
        Effect.ignore
      )
      runFork(
        end.pipe(
          Effect.andThen(Effect.sync(() => {
            closed = true
            lifecycle.end()
          })),
          Deferred.into(done)
        )
      )
    }
    return Deferred.await(closing)
  })

  yield* session
  yield* Effect.addFinalizer(() => shutdown)

  const create = (kind: Kind, request: Protocol.CellRequest) => making((session) => session.create(kind, request))

  const find = (cellId: Protocol.CellId, kind: Kind) =>
    asking(cellId, (session) => toStale(cellId)(session.find(cellId, kind)))

  return SessionRuntime.of({
    create: (request) => Effect.map(create("continuing", request), toCell),
    createPausable: (request) => Effect.map(create("pausable", request), toPausable),
    execute: (request, options) =>
      Effect.map(
        making((session) => session.execute(request, toWait(options))),
        ({ cellId, initial }) => ({ cell: toCell(cellId), initial: toLostOutcome(cellId)(initial) })
      ),
    observe: ({ id }, options) =>
      asking(id, (session) => toLostOutcome(id)(session.observe(id, toWait(options), options?.idempotencyKey))),
    awaitFrontier: ({ id }) => asking(id, (session) => toLostOutcome(id)(session.awaitFrontier(id))),
    resume: ({ id }, generation) => asking(id, (session) => toStale(id)(session.resume(id, generation))),
    terminate: ({ id }) => terminateOnce(id, asking(id, (session) => toLostOutcome(id)(session.terminate(id)))),
    yieldNow: ({ id }) => asking(id, (session) => toStale(id)(session.yieldNow(id))),
    cell: (id) => Effect.as(find(id, "continuing"), toCell(id)),
    pausableCell: (id) => Effect.as(find(id, "pausable"), toPausable(id)),
    cells: Effect.suspend(() => current === undefined || closed ? Effect.succeed([]) : current.cells).pipe(
      Effect.catchIf(isFailure, () => Effect.succeed([])),
      Effect.map((cells) =>
        cells.map(({ cellId, kind, ...state }) => ({
          cell: kind === "continuing" ? toCell(cellId) : toPausable(cellId),
          ...state
        }))
      )
    ),
    awaitSettled: (id) =>
      asking(
        id,
        (session) => Effect.catchIf(session.awaitSettled(id), isFailure, () => Effect.succeed("Failed" as const))
      ),
    storedValues: Effect.suspend(() => current === undefined || closed ? Effect.succeed({}) : current.storedValues)
      .pipe(
        Effect.catchIf(isFailure, () => Effect.succeed({}))
      ),
    events: lifecycle.stream(() => []),
    output: ({ id }) =>
      Stream.unwrap(asking(id, (session) => Effect.succeed(session.output(id)))).pipe(
        Stream.catchIf(isFailure, () => Stream.empty)
      ),
    shutdown,
    isAlive: Effect.sync(() => closing === undefined)
  })
})
