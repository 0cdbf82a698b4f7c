/**
 * A `SessionRuntime` whose cells live at a host.
 *
 * **Details**
 *
 * When the host is lost, the session goes on at the next one. What it knew there, its cells and stored values, goes with
 * the host: each caller that waits for a cell then hears that its isolate was lost, and later its id is one of a host that is gone.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { RpcClientError } from "effect/rpc/RpcClientError"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { defined } from "../data/Defined.ts"
import { Remembered } from "../data/Remembered.ts"
import * as Scopeless from "../data/Scopeless.ts"
import { Delegate } from "../Delegate.ts"
import * as Shape from "../delegate/Shape.ts"
import * as Protocol from "../Protocol.ts"
import { type CreateError, type KeyedObserveOptions, SessionRuntime } from "../Runtime.ts"
import * as CellRef from "../session/CellRef.ts"
import { CellLedger } from "../session/Ledger.ts"
import * as Replies from "../session/Replies.ts"
import { Unreachable } from "../session/Unreachable.ts"
import * as Watched from "../session/Watched.ts"
import * as YieldAfter from "../session/YieldAfter.ts"
import { Meter } from "../telemetry/Meter.ts"
import * as Spans from "../telemetry/Spans.ts"
import * as Trace from "../telemetry/Trace.ts"
import * as Utf8 from "../text/Utf8.ts"
import { FrameError } from "../wire/Frame.ts"
import { type Connection, type Connections, patience, shared } from "./HostConnection.ts"
import { RemoteCallbacks } from "./RemoteCallbacks.ts"
import * as Rpcs from "./Rpcs.ts"
import { HostFailure } from "./Way.ts"

export interface Options {
  readonly limits?: Protocol.Limits | undefined
  /** Values that the session's cells find stored. */
  readonly storedValues?: Readonly<Record<string, Schema.Json>> | undefined
}

/** The session at one host. */
interface Place {
  readonly connection: Connection
  readonly rpc: Connection["rpc"]
  readonly session: number
  readonly callbacks: RemoteCallbacks
  /** Over when the host has no more to say of the session. */
  readonly life: Fiber.Fiber<unknown>
  lost: HostFailure | undefined
}

/** How long a host may take to say that a session is closed, once its callbacks have ended. */
const closeWithin = Duration.seconds(1)

/** The cell belongs to a host that is gone. */
const stale = (cellId: Protocol.CellId): Protocol.MissingCell =>
  new Unreachable({ cellId, finished: true, text: `cell ${cellId} belongs to a code-mode host that is gone` })

const noCalls: Protocol.Ledger = { calls: [], omitted: 0 }

/** How a cell ends that loses its host. */
const lostOutcome = (cellId: Protocol.CellId) => ({ message }: HostFailure): Effect.Effect<Protocol.Completed> =>
  Effect.succeed({ _tag: "Completed", cellId, items: [], error: { _tag: "IsolateLost", text: message } })

/** Where a request stands in a trace. */
type Traced = ReturnType<typeof Trace.member>

type Unanswered = Rpcs.Refused | RpcClientError

type Failure = HostFailure | FrameError | Rpcs.Refused

const isFailure = (error: unknown): error is Failure =>
  error instanceof HostFailure || error instanceof FrameError || error instanceof Rpcs.Refused

/** Why there is no answer: the host said no, the request is too long, or the host is gone. */
const toFailure = (error: Unanswered): Failure => {
  if (error._tag === "Refused") {
    return error
  }
  const { reason } = error
  return "cause" in reason && reason.cause instanceof FrameError
    ? reason.cause
    : new HostFailure({ message: reason.message })
}

/** How many sessions of this process have been at a host. */
let sessions = 0

/** Makes a session that lives as long as its scope. */
export const make = Effect.fnUntraced(function*(
  connections: Connections,
  options?: Options
): Effect.fn.Return<SessionRuntime["Service"], HostFailure, Delegate | Scope.Scope> {
  const delegate = yield* Delegate
  const context = yield* Scopeless.context<Scope.Scope>()
  const runFork = Effect.runForkWith(context)
  const limits = options?.limits ?? Protocol.Limits.make({})
  const meter = new Meter(context)
  const watched = Watched.make(limits, meter)
  const sessionId = `remote-${++sessions}`
  const work = Trace.isOn(context) ? Spans.session(context, { id: sessionId, isRemote: true }) : undefined
  /** Spans of the cells that are not settled. */
  const works = new Map<Protocol.CellId, Trace.Work>()
  /** The live cells of the host, and whether they are settled. */
  const live = new Map<Protocol.CellId, boolean>()
  /** How cells have ended, as far as they have. */
  const known = new Remembered<Protocol.CellId, Protocol.Settled | undefined>(limits.maxRememberedCells)
  /** Cells of hosts that are gone. */
  const lost = new Remembered<Protocol.CellId>(limits.maxRememberedCells)
  const clock = yield* Clock.Clock
  const ledgers = new Map<Protocol.CellId, CellLedger>()
  const endedLedgers = new Remembered<Protocol.CellId, Protocol.Ledger>(limits.maxRememberedCells)
  const closing = Deferred.makeUnsafe<never, Protocol.ShuttingDown>()
  const done = Deferred.makeUnsafe<void>()
  let place: Place | undefined
  let lastTicket = 0
  /** The bounds that the last host has told. */
  let granted = limits

  const isClosing = () => Deferred.isDoneUnsafe(closing)
  const isClosed = () => Deferred.isDoneUnsafe(done)

  // ---------------------------------------------------------------------------
  // Cells
  // ---------------------------------------------------------------------------

  /** A cell is known from what first names it: the host tells its beginning beside everything else. */
  const admit = (cellId: Protocol.CellId) => {
    if (!live.has(cellId) && !known.has(cellId)) {
      known.set(cellId, undefined)
      live.set(cellId, false)
      watched.cell({ _tag: "Admitted", cellId })
    }
  }

  /** Whether the session had it, as far as that is remembered. */
  const isKnown = (cellId: Protocol.CellId) => live.has(cellId) || known.has(cellId) || lost.has(cellId)

  const ledgerOf = ({ callId, cellId }: Protocol.NestedToolCall) => {
    const ledger = ledgers.get(cellId) ?? new CellLedger({
      sessionId,
      cellId,
      callId,
      clock,
      watched,
      meter,
      isTraced: Trace.isOn(context),
      bytesOf: (value) => value === undefined ? 0 : Utf8.byteLength(JSON.stringify(value)),
      countsBytes: false
    })
    // Of a cell that has ended, nothing more is noted.
    if (live.has(cellId) || !known.has(cellId)) {
      ledgers.set(cellId, ledger)
    }
    return ledger
  }

  const publish = (event: Protocol.LifecycleEvent) => {
    admit(event.cellId)
    if (event._tag === "Settled") {
      const { cellId, outcome } = event
      live.set(cellId, true)
      known.set(cellId, outcome)
      ledgers.get(cellId)?.close()
      const work = works.get(cellId)
      if (work !== undefined) {
        works.delete(cellId)
        Spans.cellEnded(work, outcome)
      }
    } else if (event._tag === "Closed") {
      live.delete(event.cellId)
      const ledger = ledgers.get(event.cellId)
      ledger?.close()
      endedLedgers.set(event.cellId, ledger?.toLedger() ?? noCalls)
      ledgers.delete(event.cellId)
    }
    if (event._tag !== "Admitted") {
      watched.cell(event)
    }
  }

  // ---------------------------------------------------------------------------
  // Hosts
  // ---------------------------------------------------------------------------

  /** Gives the host up if it does not answer in time. An observation may last for ever. */
  const within = <A, E>(
    { connection }: Place,
    answer: Effect.Effect<A, E | Unanswered>,
    wait = Duration.zero
  ): Effect.Effect<A, E | Failure> => {
    const told = Effect.catchIf(
      answer,
      (error): error is Unanswered => error instanceof RpcClientError || error instanceof Rpcs.Refused,
      (error) => Effect.fail(toFailure(error))
    ) as Effect.Effect<A, E | Failure>
    return Duration.isFinite(wait)
      ? Effect.timeoutOrElse(told, {
        duration: Duration.sum(wait, patience),
        orElse: () => Effect.fail(connection.lose("the code-mode host did not answer in time"))
      })
      : told
  }

  const onLost = (at: Place, failure: HostFailure) => {
    at.lost = failure
    place = undefined
    places.forget()
    runFork(at.callbacks.close)
    for (const [cellId, settled] of Array.from(live)) {
      if (!settled) {
        publish({ _tag: "Settled", cellId, outcome: "Failed" })
      }
      publish({ _tag: "Closed", cellId })
      lost.set(cellId, true)
    }
  }

  const open = Effect.fnUntraced(function*() {
    const connection = yield* connections
    const failure = connection.failure()
    if (failure !== undefined) {
      return yield* failure
    }
    const session = connection.newSession()
    const callbacks = new RemoteCallbacks({
      context,
      limits,
      session: ledgers,
      ledgerOf,
      tellAwaits: (callback, awaits) =>
        runFork(Effect.ignore(connection.rpc.AwaitsApproval({ session, callback, awaits }))),
      delegate: Delegate.of({
        tools: delegate.tools,
        invokeTool: (call) => {
          admit(call.cellId)
          return delegate.invokeTool(call)
        },
        notify: (notification) => {
          admit(notification.cellId)
          return delegate.notify(notification)
        }
      })
    })
    const opened = Deferred.makeUnsafe<void, HostFailure | Unanswered | Protocol.IsolateFailure | Protocol.Lagged>()
    const life = connection.rpc.Open({
      session,
      version: Rpcs.version,
      tools: Shape.forCells(delegate.tools),
      ...defined({ limits: options?.limits, storedValues: options?.storedValues })
    }).pipe(
      Stream.runForEach((event) =>
        Effect.sync(() => {
          if (event._tag === "Opened") {
            granted = event.limits
            Deferred.doneUnsafe(opened, Effect.void)
          } else {
            publish(event)
          }
        })
      ),
      Effect.onExit((exit) => {
        Deferred.doneUnsafe(opened, exit)
        return Effect.void
      })
    )
    const at: Place = {
      connection,
      rpc: connection.rpc,
      session,
      callbacks,
      life: runFork(Effect.exit(life)),
      lost: undefined
    }
    connection.sessions.set(session, {
      callbacks,
      onLost: (failure) => {
        Deferred.doneUnsafe(opened, Effect.fail(failure))
        onLost(at, failure)
      }
    })
    yield* within(at, Deferred.await(opened)).pipe(
      Effect.mapError((error) => error instanceof HostFailure ? error : new HostFailure({ message: error.message })),
      Effect.andThen(Effect.suspend(() => at.lost === undefined ? Effect.void : Effect.fail(at.lost))),
      Effect.andThen(Effect.suspend(() => isClosing() ? Effect.fail(new HostFailure({ message: "" })) : Effect.void)),
      Effect.onError(() => leave(at))
    )
    place = at
    // Without what happens to its cells a session is of no use.
    at.life.addObserver(() => isClosing() || connection.lose("the code-mode host gave the session up"))
    return at
  })

  const places = shared(runFork, open())

  /** From here on nothing is heard of the session at a host, which ends it there, too. */
  const leave = ({ connection, life, session }: Place) =>
    Effect.sync(() => {
      connection.sessions.delete(session)
      life.interruptUnsafe()
    })

  // ---------------------------------------------------------------------------
  // Requests
  // ---------------------------------------------------------------------------

  /** Asks something about a cell of the host that is there. */
  const asking = <A, E, B, E2>(
    cellId: Protocol.CellId,
    ask: (at: Place) => Effect.Effect<A, E | Failure>,
    onGone: (failure: HostFailure) => Effect.Effect<B, E2>
  ): Effect.Effect<A | B, E | E2 | Protocol.MissingCell> =>
    Effect.suspend((): Effect.Effect<A | B, E | E2 | Protocol.MissingCell> => {
      if (isClosed()) {
        return Effect.fail(new Protocol.MissingCell({ cellId, finished: isKnown(cellId) }))
      }
      if (place === undefined || lost.has(cellId)) {
        return Effect.fail(isKnown(cellId) ? stale(cellId) : new Protocol.MissingCell({ cellId, finished: false }))
      }
      return Effect.catchIf(
        ask(place),
        isFailure,
        (failure): Effect.Effect<B, E2 | Protocol.MissingCell> =>
          failure instanceof HostFailure
            ? onGone(failure)
            : Effect.fail(new Unreachable({ cellId, finished: true, text: failure.message }))
      ) as Effect.Effect<A | B, E | E2 | Protocol.MissingCell>
    })

  /** The same, of what the host has to know that it was heard. */
  const telling = <A, E>(
    cellId: Protocol.CellId,
    wait: Duration.Duration,
    ask: (at: Place, ticket: number) => Effect.Effect<A, E | Unanswered>
  ) => asking(cellId, (at) => hearing(at, wait, ask), lostOutcome(cellId))

  const hearing = <A, E>(
    at: Place,
    wait: Duration.Duration,
    ask: (at: Place, ticket: number) => Effect.Effect<A, E | Unanswered>
  ) =>
    Effect.suspend(() => {
      const ticket = ++lastTicket
      const { rpc, session } = at
      return Effect.onExit(within(at, ask(at, ticket), wait), (exit) => {
        const heard = Exit.isSuccess(exit)
        if (heard || Cause.hasInterrupts(exit.cause)) {
          runFork(Effect.ignore(rpc.Received({ session, ticket, heard })))
        }
        return Effect.void
      })
    })

  const terminateAt = (at: Place, cellId: Protocol.CellId) =>
    hearing(at, Duration.zero, ({ rpc, session }, ticket) => rpc.Terminate({ session, cellId, ticket }))

  const createAt = (at: Place, kind: Protocol.CellKind, request: Protocol.CellRequest, traced: Traced) =>
    Effect.suspend(() => {
      const { rpc, session } = at
      const making = runFork(rpc.Create({ session, kind, request, ...traced }))
      return Effect.onInterrupt(Fiber.join(making), () =>
        Effect.sync(() => {
          // A cell that was made under a key is there for the next request with it.
          if (request.idempotencyKey === undefined) {
            making.addObserver((exit) => Exit.isSuccess(exit) && runFork(Effect.ignore(terminateAt(at, exit.value))))
          }
        }))
    })

  const create = (
    kind: Protocol.CellKind,
    request: Protocol.CellRequest
  ): Effect.Effect<Protocol.CellId, CreateError> =>
    Effect.contextWith((caller: Context.Context<never>) => {
      const both = Context.merge(context, caller)
      if (!Trace.isOn(both)) {
        return createIn(kind, request, Trace.member(both))
      }
      const of = Spans.cell(both, {
        sessionId,
        session: work,
        callId: request.callId,
        kind,
        language: request.language ?? "javascript",
        sourceBytes: Utf8.byteLength(request.source),
        isRemote: true
      })
      return Effect.onExit(createIn(kind, request, Trace.member(of.inside(both))), (exit) =>
        Effect.sync(() => {
          if (Exit.isFailure(exit)) {
            return Spans.cellRefused(of, exit.cause)
          }
          const cellId = exit.value
          Spans.cellNamed(of, cellId)
          const outcome = known.get(cellId)
          if (outcome !== undefined) {
            Spans.cellEnded(of, outcome)
          } else if (works.has(cellId)) {
            // A request that came again, under a key.
            Spans.cellFound(of)
          } else {
            works.set(cellId, of)
          }
        }))
    })

  const createIn = (
    kind: Protocol.CellKind,
    request: Protocol.CellRequest,
    traced: Traced
  ): Effect.Effect<Protocol.CellId, CreateError> =>
    Effect.suspend(() => {
      if (isClosing()) {
        return Deferred.await(closing)
      }
      const at: Effect.Effect<Place, HostFailure | Protocol.ShuttingDown> = place === undefined
        ? Effect.raceFirst(places.get, Deferred.await(closing))
        : Effect.succeed(place)
      return at.pipe(
        Effect.flatMap((at) => within(at, Effect.andThen(at.connection.room, createAt(at, kind, request, traced)))),
        Effect.catchIf(isFailure, (failure) =>
          Effect.fail(
            failure._tag === "FrameError"
              ? new Protocol.CapacityExceeded({ limit: "frame", text: failure.message })
              : new Protocol.IsolateFailure({ text: failure.message })
          )),
        // The host is taken from under a request that still waits for it.
        Effect.mapError((error) => isClosing() ? new Protocol.ShuttingDown() : error),
        Effect.tap((cellId) => Effect.sync(() => admit(cellId)))
      )
    })

  const observe = (cellId: Protocol.CellId, options?: KeyedObserveOptions, firstOf?: Protocol.CellRequest) => {
    const yieldAfter = YieldAfter.of(options)
    const which = options?.idempotencyKey !== undefined
      ? { idempotencyKey: options.idempotencyKey }
      : firstOf?.idempotencyKey !== undefined
      ? { firstOf }
      : {}
    return telling(
      cellId,
      yieldAfter,
      ({ rpc, session }, ticket) => rpc.Observe({ session, cellId, ticket, yieldAfter, ...which })
    )
  }

  /** Asks something about a cell that is at once there, or not. */
  const askingNow = <A, E>(
    cellId: Protocol.CellId,
    ask: (rpc: Place["rpc"], cell: { readonly session: number; readonly cellId: Protocol.CellId }) => Effect.Effect<
      A,
      E | Unanswered
    >
  ) =>
    asking(
      cellId,
      (at) => within(at, ask(at.rpc, { session: at.session, cellId })),
      () => Effect.fail(stale(cellId))
    )

  const find = (cellId: Protocol.CellId, kind: Protocol.CellKind) =>
    askingNow(cellId, (rpc, cell) => rpc.Find({ ...cell, kind }))

  /** Asks something of the session; what it has at no host is `otherwise`. */
  const askingAll = <A>(ask: (at: Place) => Effect.Effect<A, Unanswered>, otherwise: A): Effect.Effect<A> =>
    Effect.suspend(() =>
      place === undefined || isClosed()
        ? Effect.succeed(otherwise)
        : Effect.catch(within(place, ask(place)), (error) =>
          error instanceof HostFailure ? Effect.succeed(otherwise) : Effect.die(error))
    )

  // ---------------------------------------------------------------------------
  // Shutdown
  // ---------------------------------------------------------------------------

  const endAt = (at: Place) =>
    Effect.all([
      Effect.andThen(at.rpc.Shutdown({ session: at.session }), Fiber.await(at.life)),
      at.callbacks.close
    ], { concurrency: "unbounded", discard: true }).pipe(
      Effect.timeoutOption(Duration.sum(limits.cancellationGrace, closeWithin)),
      // A host that is gone has shut down.
      Effect.ignore,
      Effect.ensuring(leave(at))
    )

  const shutdown = Effect.suspend(() => {
    if (Deferred.doneUnsafe(closing, Effect.fail(new Protocol.ShuttingDown()))) {
      const end = place === undefined ? Effect.void : endAt(place)
      runFork(
        end.pipe(
          Effect.andThen(Effect.sync(() => {
            watched.end()
            live.forEach(() => meter.cellClosed())
            works.forEach((of) => Spans.cellEnded(of, "Terminated"))
            works.clear()
            work?.end(Exit.void)
          })),
          Deferred.into(done)
        )
      )
    }
    return Deferred.await(done)
  })

  yield* places.get
  yield* Effect.addFinalizer(() => shutdown)

  return SessionRuntime.of({
    create: (request) => Effect.map(create("continuing", request), CellRef.continuing),
    createPausable: (request) => Effect.map(create("pausable", request), CellRef.pausable),
    execute: (request, options) =>
      Effect.map(create("continuing", request), (cellId) => ({
        cell: CellRef.continuing(cellId),
        initial: observe(cellId, options, request)
      })),
    observe: ({ id }, options) => observe(id, options),
    awaitFrontier: ({ id }) =>
      telling(
        id,
        Duration.infinity,
        ({ rpc, session }, ticket) => rpc.AwaitFrontier({ session, cellId: id, ticket })
      ),
    resume: ({ id }, generation) => askingNow(id, (rpc, cell) => rpc.Resume({ ...cell, generation })),
    terminate: ({ id }) => asking(id, (at) => terminateAt(at, id), lostOutcome(id)),
    yieldNow: ({ id }) => askingNow(id, (rpc, cell) => rpc.YieldNow(cell)),
    cell: (id) => Effect.as(find(id, "continuing"), CellRef.continuing(id)),
    pausableCell: (id) => Effect.as(find(id, "pausable"), CellRef.pausable(id)),
    cells: Effect.map(askingAll(({ rpc, session }) => rpc.Cells({ session }), []), Replies.fromCells),
    awaitSettled: (id) =>
      asking(
        id,
        (at) => within(at, at.rpc.AwaitSettled({ session: at.session, cellId: id }), Duration.infinity),
        () => Effect.succeed("Failed" as const)
      ),
    ledger: (id) =>
      Effect.suspend(() => {
        const ledger = endedLedgers.get(id) ?? ledgers.get(id)?.toLedger()
        const isThere = ledger === undefined && !live.has(id)
          ? Effect.catchTag(find(id, "continuing"), "WrongCellKind", () => Effect.void)
          : Effect.void
        return Effect.as(isThere, ledger ?? noCalls)
      }),
    tools: Effect.sync(() => Shape.forCells(delegate.tools)),
    instructions: Effect.sync(() => delegate.instructions ?? new Map()),
    get limits() {
      return granted
    },
    storedValues: askingAll(({ rpc, session }) => rpc.StoredValues({ session }), {}),
    events: watched.events,
    activity: watched.activity,
    output: ({ id }) =>
      Stream.unwrap(
        asking(
          id,
          ({ rpc, session }) => Effect.succeed(rpc.Output({ session, cellId: id })),
          () => Effect.succeed(Stream.empty)
        )
      ).pipe(
        Stream.catchTags({
          RpcClientError: () => Stream.empty,
          Refused: ({ text }) => Stream.fail(new Unreachable({ cellId: id, finished: true, text }))
        })
      ),
    shutdown,
    isAlive: Effect.sync(() => !isClosing())
  })
})
