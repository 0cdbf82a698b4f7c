/**
 * `SessionRuntime`: the scoped service that owns a session's cells and the values they share.
 *
 * **Details**
 *
 * There are two kinds of cells. A `Cell` goes on by itself and is observed. A `PausableCell` stops at every frontier
 * and goes on when it is resumed. What a cell puts out between two observations is kept for the next one.
 *
 * A cell that fails has an outcome that says so. The typed errors are about requests: a cell that is not there, a bound
 * of the session, a key that was used twice.
 *
 * Closing the scope of the layer is `shutdown`: it stops every cell at once, and their callbacks share one grace.
 *
 * **Example** (Running a cell)
 *
 * ```ts
 * import * as Delegate from "effect-code-mode/Delegate"
 * import * as Runtime from "effect-code-mode/Runtime"
 * import * as V8 from "effect-code-mode/V8"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 *
 * const program = Effect.gen(function*() {
 *   const session = yield* Runtime.SessionRuntime
 *   const { initial } = yield* session.execute({ callId: "call-1", source: "text(6 * 7)" })
 *   return yield* initial
 * })
 *
 * const layer = Runtime.layer().pipe(Layer.provide([Delegate.layerNoop, V8.layer()]))
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Remembered } from "./data/Remembered.ts"
import * as Scopeless from "./data/Scopeless.ts"
import * as Shared from "./data/Shared.ts"
import * as Delegate from "./Delegate.ts"
import * as Shape from "./delegate/Shape.ts"
import { DurableSession, type RestoredCell } from "./durable/DurableSession.ts"
import * as Isolate from "./Isolate.ts"
import * as Protocol from "./Protocol.ts"
import { Attached } from "./session/Attached.ts"
import * as CellImpl from "./session/Cell.ts"
import * as CellIds from "./session/CellIds.ts"
import * as CellRef from "./session/CellRef.ts"
import { Observation } from "./session/Keeper.ts"
import { Onlooker } from "./session/Onlooker.ts"
import * as Slots from "./session/Slots.ts"
import * as StoredValues from "./session/StoredValues.ts"
import * as TypeScript from "./session/StripTypes.ts"
import * as Watched from "./session/Watched.ts"
import * as YieldAfter from "./session/YieldAfter.ts"
import type { Retention, Store } from "./Store.ts"
import { Meter } from "./telemetry/Meter.ts"
import * as Spans from "./telemetry/Spans.ts"
import * as Trace from "./telemetry/Trace.ts"
import * as Utf8 from "./text/Utf8.ts"

// =============================================================================
// Models
// =============================================================================

/**
 * The right to ask things of a cell that goes on by itself. Only a session makes one.
 *
 * @category models
 * @since 0.1.0
 */
export type Cell = CellRef.Cell

/**
 * The right to ask things of a cell that pauses at every frontier. Only a session makes one.
 *
 * @category models
 * @since 0.1.0
 */
export type PausableCell = CellRef.PausableCell

/**
 * A live cell as `cells` lists it.
 *
 * **Details**
 *
 * - `status`: what it does; see `Protocol.CellStatus`.
 * - `busy`: its script has computed for at least 25 ms without a pause.
 * - `degraded`: it shares its process with cells of other sessions.
 * - `awaitingApproval`: its tool calls that wait until a person agrees.
 *
 * @category models
 * @since 0.1.0
 */
export interface LiveCell {
  readonly cell: Cell | PausableCell
  readonly status: Protocol.CellStatus
  readonly busy: boolean
  readonly degraded: boolean
  readonly awaitingApproval: ReadonlyArray<Protocol.ToolCallId>
}

/**
 * How an observation waits.
 *
 * @category models
 * @since 0.1.0
 */
export interface ObserveOptions {
  /**
   * The time after which the observation gives `Yielded`, if the cell has not ended before. A number is milliseconds.
   * It counts from when the script runs, so that the start of a process takes nothing away. 0 gives `Yielded` at once.
   *
   * Without it, the observation waits until the cell has ended, its script calls `yield_control()`, or the cell can
   * never go on (`Yielded` with `stalled`).
   */
  readonly yieldAfter?: Duration.Input | undefined
}

/**
 * How an observation waits, and under which key its event can be had again.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyedObserveOptions extends ObserveOptions {
  /**
   * Names the observation within its session. Later calls with the same key, cell and `yieldAfter` get the same event.
   * With another cell or time they fail with `IdempotencyConflict`.
   */
  readonly idempotencyKey?: string | undefined
}

/**
 * What `execute` gives: the cell, and its first event.
 *
 * **Details**
 *
 * `initial` is an effect: it observes the cell when it is run. Run it once. Where the request or the observation has an
 * idempotency key, it may be run again, and gives the same event.
 *
 * @category models
 * @since 0.1.0
 */
export interface Execution {
  readonly cell: Cell
  readonly initial: Effect.Effect<
    Protocol.CellEvent,
    Protocol.BusyObserver | Protocol.MissingCell | Protocol.IdempotencyConflict
  >
}

/**
 * Why a cell was not made.
 *
 * **Details**
 *
 * - `ShuttingDown`: the session takes no more cells.
 * - `CapacityExceeded`: there are `maxLiveCells` cells already, or the source is longer than `maxSourceBytes`.
 * - `IsolateFailure`: the engine could not make an isolate.
 * - `IdempotencyConflict`: the request's key was used for another request.
 * - `WrongCellKind`: the request's key was used for a cell of the other kind.
 *
 * @category errors
 * @since 0.1.0
 */
export type CreateError =
  | Protocol.ShuttingDown
  | Protocol.CapacityExceeded
  | Protocol.IsolateFailure
  | Protocol.IdempotencyConflict
  | Protocol.WrongCellKind

// =============================================================================
// Service
// =============================================================================

/**
 * A session.
 *
 * **Details**
 *
 * An operation on a cell that has ended, and whose outcome was read, fails with `MissingCell`. A caller who is
 * interrupted takes nothing away from the cell: output and outcomes are kept for the next one.
 *
 * **Example** (Waiting for a cell, and ending it)
 *
 * ```ts
 * import * as Runtime from "effect-code-mode/Runtime"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function*() {
 *   const session = yield* Runtime.SessionRuntime
 *   const cell = yield* session.create({ callId: "call-1", source: "text(await tools.report({}))" })
 *   const event = yield* session.observe(cell, { yieldAfter: "10 seconds" })
 *   return event._tag === "Yielded" ? yield* session.terminate(cell) : event
 * })
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class SessionRuntime extends Context.Service<SessionRuntime, {
  /**
   * Makes a cell, which starts at once. What it puts out before its first observation is kept.
   *
   * A caller who is interrupted before the cell is there leaves none behind, unless the request has a key.
   */
  readonly create: (request: Protocol.CellRequest) => Effect.Effect<Cell, CreateError>
  /** Makes a cell that pauses whenever it can do nothing more by itself, under generation 1, 2, 3, … */
  readonly createPausable: (request: Protocol.CellRequest) => Effect.Effect<PausableCell, CreateError>
  /**
   * Makes a cell together with its first observation.
   *
   * With an `idempotencyKey` in `options`, `observe` with this key and the same `yieldAfter` gives that event again.
   */
  readonly execute: (
    request: Protocol.CellRequest,
    options?: KeyedObserveOptions
  ) => Effect.Effect<Execution, CreateError>
  /**
   * Waits for the cell's next event. One caller at a time: another one fails with `BusyObserver`.
   *
   * With an `idempotencyKey` the observation goes on when its caller goes away, and is the cell's observer until there
   * is an event. The same key gives the same event again, until `maxRememberedCells` later keys have pushed it out.
   */
  readonly observe: (
    cell: Cell,
    options?: KeyedObserveOptions
  ) => Effect.Effect<
    Protocol.CellEvent,
    Protocol.BusyObserver | Protocol.MissingCell | Protocol.IdempotencyConflict
  >
  /**
   * The frontier at which the cell stands, or its next one, or its outcome. It gives the same frontier until the cell
   * is resumed, and the outcome once. One caller at a time waits: another one fails with `BusyObserver`.
   */
  readonly awaitFrontier: (
    cell: PausableCell
  ) => Effect.Effect<Protocol.Frontier | Protocol.Outcome, Protocol.BusyObserver | Protocol.MissingCell>
  /**
   * Lets a cell go on from a frontier. Of several callers with one generation, one gets `Resumed` and the others get
   * `AlreadyRunning`. A generation that the cell has not reached fails with `InvalidGeneration`.
   *
   * Where no call has been answered and no timer has fired, the next frontier is there at once, with the same calls.
   */
  readonly resume: (
    cell: PausableCell,
    generation: Protocol.Generation
  ) => Effect.Effect<"Resumed" | "AlreadyRunning", Protocol.InvalidGeneration | Protocol.MissingCell>
  /**
   * Stops a cell, and waits for its callbacks: `cancellationGrace` at most. A cell that had completed before stays
   * completed, and its `Completed` is what this gives. A second caller meanwhile fails with `AlreadyTerminating`.
   */
  readonly terminate: (
    cell: Cell | PausableCell
  ) => Effect.Effect<Protocol.Outcome, Protocol.AlreadyTerminating | Protocol.MissingCell>
  /** Gives the cell's observer `Yielded` now, if there is one. */
  readonly yieldNow: (cell: Cell) => Effect.Effect<void, Protocol.MissingCell>
  /** The cell of an id. That of a pausable cell fails with `WrongCellKind`. */
  readonly cell: (id: Protocol.CellId) => Effect.Effect<Cell, Protocol.MissingCell | Protocol.WrongCellKind>
  /** The pausable cell of an id. That of a continuing cell fails with `WrongCellKind`. */
  readonly pausableCell: (
    id: Protocol.CellId
  ) => Effect.Effect<PausableCell, Protocol.MissingCell | Protocol.WrongCellKind>
  /** Every live cell, those included that have ended and whose outcome was not read. */
  readonly cells: Effect.Effect<ReadonlyArray<LiveCell>>
  /**
   * Waits until the outcome of a cell is final, and takes nothing from its observers. It answers for ended cells, too,
   * until `maxRememberedCells` later ones have ended.
   */
  readonly awaitSettled: (
    id: Protocol.CellId
  ) => Effect.Effect<Protocol.Settled, Protocol.MissingCell>
  /**
   * What became of the tool calls of a cell: for each that is remembered, its tool, its state and its time. It answers for
   * ended cells, too, as `awaitSettled` does.
   */
  readonly ledger: (id: Protocol.CellId) => Effect.Effect<Protocol.Ledger, Protocol.MissingCell>
  /** What a cell may call if its request brings no tools of its own. */
  readonly tools: Effect.Effect<ReadonlyArray<Protocol.ToolDefinition>>
  /** What those who write cells should know of the tools of a namespace, by namespace. */
  readonly instructions: Effect.Effect<ReadonlyMap<string, string>>
  /** The bounds of the session. */
  readonly limits: Protocol.Limits
  /** The values that completed cells have stored. */
  readonly storedValues: Effect.Effect<Readonly<Record<string, Schema.Json>>>
  /** What happens to cells from now on, in order. A reader that falls too far behind fails with `Lagged`. */
  readonly events: Stream.Stream<Protocol.LifecycleEvent, Protocol.Lagged>
  /**
   * The same, and what happens to tool calls. It costs nothing while there is no reader. One that falls too far behind fails
   * with `Lagged`.
   */
  readonly activity: Stream.Stream<Protocol.ActivityEvent, Protocol.Lagged>
  /**
   * Output that no event has given yet, then output as it is made. It ends with the cell, and takes nothing from
   * observers. A reader that falls too far behind fails with `Lagged`.
   */
  readonly output: (
    cell: Cell | PausableCell
  ) => Stream.Stream<Protocol.OutputItem, Protocol.MissingCell | Protocol.Lagged>
  /**
   * Ends the session and all of its cells, and waits until that is done: one `cancellationGrace` for all of them. Those
   * who wait for a cell get `Terminated`.
   */
  readonly shutdown: Effect.Effect<void>
  /** False from the moment in which the session began to end. */
  readonly isAlive: Effect.Effect<boolean>
}>()("effect-code-mode/SessionRuntime") {}

// =============================================================================
// Constructors
// =============================================================================

/**
 * How a session differs from a default one.
 *
 * @category constructors
 * @since 0.1.0
 */
export interface Options {
  /** Bounds that are not the default ones; the times are `Duration`s. An invalid bound is a defect. */
  readonly limits?: Protocol.LimitsInput | undefined
  /** Names the session in logs. Without it, it has a number. */
  readonly sessionId?: string | undefined
  /** Values that the session's cells find stored. */
  readonly storedValues?: Readonly<Record<string, Schema.Json>> | undefined
  /**
   * `unique`, the default: 16 characters that collide with no other session's. `sequential`: `1`, `2`, `3`, …, for
   * hosts whose clients expect it.
   */
  readonly cellIds?: "unique" | "sequential" | undefined
  /**
   * Whether `content` in a cell takes a whole tool result as well as blocks of one, which is so unless this is `false`:
   * for hosts whose clients expect an error.
   */
  readonly contentTakesResults?: boolean | undefined
  /**
   * What becomes of a cell that puts out more than is read. `fail`, the default: it ends once more than
   * `maxUndeliveredOutputBytes` are not read. `wait`: from half of that on it waits, as a program does whose pipe is full,
   * and observers are told at once what there is.
   */
  readonly unreadOutput?: "fail" | "wait" | undefined
}

/** How many sessions of this process have had no name of their own. */
let sessions = 0

const toCell = ({ id }: CellImpl.Cell): Cell => CellRef.continuing(id)
const toPausable = ({ id }: CellImpl.Cell): PausableCell => CellRef.pausable(id)

const toTexts = (values: Options["storedValues"]): ReadonlyArray<readonly [string, string]> =>
  Object.entries(values ?? {}).map(([key, value]) => [key, JSON.stringify(value)])

/**
 * Makes a session that lives as long as its scope. It fails with `IsolateFailure` if the engine refuses it,
 * which that of `V8` never does.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: Options): Effect.Effect<
  SessionRuntime["Service"],
  Protocol.IsolateFailure,
  Delegate.Delegate | Isolate.Isolate | Scope.Scope
> =>
  Effect.flatMap(
    Isolate.Isolate.use((isolate) => isolate.lease),
    // Without those who keep it, there is no store that could fail.
    (lease) => Effect.orDie(makeWith(options, lease, undefined))
  )

/** With those who keep it, or without. */
const makeWith = Effect.fnUntraced(function*(
  options: Options | undefined,
  lease: Isolate.Lease,
  kept: DurableSession | undefined
): Effect.fn.Return<
  SessionRuntime["Service"],
  Protocol.StoreFailure,
  Delegate.Delegate | Scope.Scope
> {
  const sessionId = options?.sessionId ?? `session-${++sessions}`
  const looking = (yield* Onlooker)?.(sessionId)
  const given = yield* Delegate.Delegate
  const delegate = looking === undefined ? given : looking.around(given)
  const context = yield* Scopeless.context<Scope.Scope>()
  const runFork = Effect.runForkWith(context)
  const limits = Protocol.Limits.make(options?.limits ?? {})
  const ids = options?.cellIds === "sequential" ? CellIds.sequential : CellIds.unique(kept?.key)

  const live = new Map<Protocol.CellId, CellImpl.Cell>()
  const finished = new Remembered<
    Protocol.CellId,
    {
      readonly outcome: Protocol.Settled
      readonly ledger: Effect.Effect<Protocol.Ledger, Protocol.MissingCell>
    }
  >(limits.maxRememberedCells)
  const creations = new Remembered<
    string,
    {
      readonly request: Protocol.CellRequest
      readonly kind: Protocol.CellKind
      readonly cell: Effect.Effect<CellImpl.Cell, CreateError>
    }
  >(limits.maxRememberedCells)
  const observations = new Remembered<
    string,
    {
      readonly cellId: Protocol.CellId
      readonly wait: Duration.Duration
      readonly event: Effect.Effect<Protocol.CellEvent, Protocol.BusyObserver | Protocol.MissingCell>
    }
  >(limits.maxRememberedCells)
  const firsts = new Remembered<
    Protocol.CellId,
    Effect.Effect<Protocol.CellEvent, Protocol.BusyObserver | Protocol.MissingCell>
  >(limits.maxRememberedCells)
  const stored = StoredValues.make(limits.maxStoredBytes)
  stored.commit(kept === undefined ? toTexts(options?.storedValues) : Array.from(kept.values))
  kept?.mark(stored.snapshot())
  const meter = new Meter(context)
  const watched = Watched.make(limits, meter)
  let sequence = kept?.sequence ?? 0
  let starting = 0
  let closing: Deferred.Deferred<void> | undefined

  const work = Trace.isOn(context) ? Spans.session(context, { id: sessionId, isRemote: false }) : undefined
  const isLeft = () => kept?.isLost !== undefined
  const session: CellImpl.Session = {
    id: sessionId,
    context,
    delegate,
    limits,
    waitsForReaders: options?.unreadOutput === "wait",
    toolSlots: Slots.make(limits.maxToolCallsInFlight),
    notificationSlots: Slots.make(limits.maxToolCallsInFlight),
    refuseAlways: stored.refuseAlways,
    refuse: stored.refuse,
    commit: (writes) => {
      stored.commit(writes)
      kept?.mark(stored.snapshot(), writes)
    },
    watched,
    keeper: kept,
    meter,
    isLeft,
    onCalled: (cell, call, tool, line) => looking?.onLine(cell.id, call, tool, line),
    onStalled: (cell) => watched.cell({ _tag: "Stalled", cellId: cell.id }),
    onSettled: (cell, outcome, error) => {
      if (isLeft()) {
        return
      }
      if (error !== undefined) {
        looking?.onError(cell.id, error)
      }
      watched.cell({ _tag: "Settled", cellId: cell.id, outcome })
    },
    onClosed: (cell, outcome, ledger) => {
      live.delete(cell.id)
      if (isLeft()) {
        meter.cellClosed()
      } else {
        finished.set(cell.id, { outcome, ledger })
        kept?.closes(cell.id)
        watched.cell({ _tag: "Closed", cellId: cell.id })
      }
    }
  }

  const bounds = {
    maxHeapSizeBytes: limits.maxHeapSizeBytes,
    maxCpuTime: limits.maxCpuTime,
    maxPendingToolCalls: limits.maxPendingCallbacks,
    maxPendingInputBytes: limits.maxPendingInputBytes,
    maxOutputBytes: limits.maxUndeliveredOutputBytes,
    maxStoredBytes: limits.maxStoredBytes,
    contentTakesResults: options?.contentTakesResults ?? true,
    // One that is kept does the same again, whether it is looked at or not.
    locatesCalls: looking !== undefined && kept === undefined
  }

  // ---------------------------------------------------------------------------
  // Admission
  // ---------------------------------------------------------------------------

  const admit = (request: Protocol.CellRequest): CreateError | undefined => {
    if (closing !== undefined) {
      return new Protocol.ShuttingDown()
    }
    if (live.size + starting >= limits.maxLiveCells) {
      return new Protocol.CapacityExceeded({
        limit: "maxLiveCells",
        text: `the session has ${limits.maxLiveCells} live cells already`
      })
    }
    if (Utf8.byteLength(request.source) > limits.maxSourceBytes) {
      return new Protocol.CapacityExceeded({
        limit: "maxSourceBytes",
        text: `the source is longer than ${limits.maxSourceBytes} bytes`
      })
    }
    return undefined
  }

  /** The span of a cell, if its caller or its session is traced. */
  const trace = (
    { callId, language }: Protocol.CellRequest,
    kind: Protocol.CellKind,
    caller: Context.Context<never>,
    sourceBytes: number
  ) => {
    const both = Context.merge(context, caller)
    return Trace.isOn(both)
      ? Spans.cell(both, {
        sessionId,
        session: work,
        callId,
        kind,
        language: language ?? "javascript",
        sourceBytes,
        isRemote: false
      })
      : undefined
  }

  const start = (request: Protocol.CellRequest, kind: Protocol.CellKind, caller: Context.Context<never>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const refusal = admit(request)
        if (refusal !== undefined) {
          return Effect.fail(refusal)
        }
        const id = ids.make(++sequence)
        const sourceBytes = Utf8.byteLength(request.source)
        meter.moved("source", sourceBytes)
        const cellWork = trace(request, kind, caller, sourceBytes)
        const tools = Shape.forCells(request.tools ?? delegate.tools)
        const program: Isolate.Program = {
          source: request.source,
          tools,
          stored: stored.snapshot(),
          pausable: kind === "pausable",
          ...bounds
        }
        starting++
        const startCell = kept === undefined
          ? TypeScript.start(lease, program, request.language)
          : TypeScript.start(kept.leaseFor({ id, number: sequence, kind, request, tools }), program, request.language)
        return restore(startCell).pipe(
          Effect.ensuring(Effect.sync(() => starting--)),
          // The engine is taken from under an isolate that still starts.
          Effect.mapError((error) => closing === undefined ? error : new Protocol.ShuttingDown()),
          Effect.flatMap((handle) => {
            // The session may have begun to end while the isolate started.
            if (closing !== undefined) {
              handle.stop()
              const ended = kept?.settle(id, { _tag: "Terminated" }, []) ?? Effect.void
              return Effect.andThen(ended, Effect.fail(new Protocol.ShuttingDown()))
            }
            const cell = new CellImpl.Cell(session, {
              id,
              kind,
              callId: request.callId,
              tools,
              handle,
              context: caller,
              work: cellWork
            })
            if (cellWork !== undefined) {
              Spans.cellNamed(cellWork, id)
            }
            live.set(id, cell)
            looking?.onCell(CellRef.of(cell.id, kind), kind, request)
            watched.cell({ _tag: "Admitted", cellId: id })
            cell.begin()
            return Effect.succeed(cell)
          }),
          (made) =>
            cellWork === undefined
              ? made
              : Effect.onError(made, (cause) => Effect.sync(() => Spans.cellRefused(cellWork, cause)))
        )
      })
    )

  const startOnce = (request: Protocol.CellRequest, kind: Protocol.CellKind) =>
    Effect.contextWith((fiberContext: Context.Context<never>): Effect.Effect<CellImpl.Cell, CreateError> => {
      const caller = Scopeless.from(fiberContext)
      const key = request.idempotencyKey
      if (key === undefined) {
        return start(request, kind, caller)
      }
      const before = creations.get(key)
      if (before === undefined) {
        const result = Deferred.makeUnsafe<CellImpl.Cell, CreateError>()
        creations.set(key, {
          request,
          kind,
          cell: Deferred.await(result)
        })
        // Detached: a retry may come after the first caller has gone.
        runFork(
          start(request, kind, caller).pipe(
            Effect.tapError(() => Effect.sync(() => creations.delete(key))),
            Effect.tap((cell) => Effect.sync(() => creations.set(key, { request, kind, cell: Effect.succeed(cell) }))),
            Deferred.into(result)
          )
        )
        return Deferred.await(result)
      }
      if (!Equal.equals(before.request, request)) {
        return Effect.fail(new Protocol.IdempotencyConflict({ key, operation: "creation" }))
      }
      return before.kind === kind ? before.cell : Effect.flatMap(before.cell, (cell) =>
        Effect.fail(
          new Protocol.WrongCellKind({ cellId: cell.id, actual: before.kind, expected: kind })
        ))
    })

  // ---------------------------------------------------------------------------
  // Cells by id
  // ---------------------------------------------------------------------------

  const find = (id: Protocol.CellId): Effect.Effect<CellImpl.Cell, Protocol.MissingCell> =>
    Effect.suspend(() => {
      const cell = live.get(id)
      return cell === undefined
        ? Effect.fail(new Protocol.MissingCell({ cellId: id, finished: (ids.find(id) ?? Infinity) <= sequence }))
        : Effect.succeed(cell)
    })

  const findKind = (id: Protocol.CellId, expected: Protocol.CellKind) =>
    Effect.flatMap(find(id), (cell) =>
      cell.kind === expected
        ? Effect.succeed(cell)
        : Effect.fail(new Protocol.WrongCellKind({ cellId: id, actual: cell.kind, expected })))

  type ObserveError = Protocol.BusyObserver | Protocol.MissingCell | Protocol.IdempotencyConflict

  const observeOnce = (key: string, cellId: Protocol.CellId, wait: Duration.Duration) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.contextWith((context: Context.Context<never>): Effect.Effect<Protocol.CellEvent, ObserveError> => {
        const before = observations.get(key)
        if (before !== undefined) {
          return before.cellId === cellId && Duration.equals(before.wait, wait)
            ? restore(before.event)
            : Effect.fail(new Protocol.IdempotencyConflict({ key, operation: "observation" }))
        }
        const result = Deferred.makeUnsafe<Protocol.CellEvent, Protocol.BusyObserver | Protocol.MissingCell>()
        const event = Deferred.await(result)
        observations.set(key, { cellId, wait, event })
        const observed = Effect.provideService(
          Effect.flatMap(find(cellId), (cell) => cell.observe(wait)),
          Observation,
          { key, wait: Duration.toMillis(wait) }
        )
        const toResult = (exit: Exit.Exit<Protocol.CellEvent, Protocol.BusyObserver | Protocol.MissingCell>) =>
          Effect.sync(() => {
            if (Exit.isFailure(exit)) {
              observations.delete(key)
            }
            Deferred.doneUnsafe(result, exit)
          })
        if (Context.get(context, Attached)) {
          return Effect.onExit(restore(observed), toResult)
        }
        // Detached: the event is kept for a retry when the first caller has gone.
        runFork(Effect.exit(Effect.onExit(observed, toResult)))
        return restore(event)
      })
    )

  /** The first event of a cell whose creation may be tried again: all who wait for it hear the same one. */
  const observeFirst = (cell: CellImpl.Cell, wait: Duration.Duration) => {
    const before = firsts.get(cell.id)
    if (before !== undefined) {
      return before
    }
    const observed = Effect.provideService(cell.observe(wait), Observation, {
      wait: Duration.toMillis(wait),
      isFirst: true
    })
    const event = Shared.make(observed, runFork)
    firsts.set(cell.id, event)
    return event
  }

  // ---------------------------------------------------------------------------
  // Cells that were kept
  // ---------------------------------------------------------------------------

  const restoreCell = ({ handle, id, kind, request, restored, tools }: RestoredCell) => {
    const { phase } = restored.state
    const cellWork = phase === "Running" || phase === "Terminating"
      ? trace(request, kind, Context.empty(), Utf8.byteLength(request.source))
      : undefined
    if (cellWork !== undefined) {
      Spans.cellRestored(cellWork, id)
    }
    const cell = new CellImpl.Cell(session, {
      id,
      kind,
      callId: request.callId,
      tools,
      handle,
      context: Context.empty(),
      work: cellWork,
      restored
    })
    if (phase === "Gone") {
      finished.set(id, { outcome: cell.settledAs(), ledger: cell.ledger })
    } else {
      live.set(id, cell)
      meter.cellAdmitted()
      looking?.onCell(CellRef.of(cell.id, kind), kind, request)
    }
    if (request.idempotencyKey !== undefined) {
      creations.set(request.idempotencyKey, { request, kind, cell: Effect.succeed(cell) })
    }
    if (restored.ledger === undefined) {
      cell.begin()
    }
  }

  // ---------------------------------------------------------------------------
  // Shutdown
  // ---------------------------------------------------------------------------

  const shutdown = Effect.suspend(() => {
    if (closing === undefined) {
      const done = closing = Deferred.makeUnsafe<void>()
      // One grace for all cells, and it runs from here.
      const grace = Latch.makeUnsafe()
      const timer = runFork(Effect.andThen(Effect.sleep(limits.cancellationGrace), grace.open))
      const cells = Array.from(live.values())
      for (const cell of cells) {
        cell.shutdown(grace.await)
      }
      runFork(
        Effect.forEach(cells, (cell) => cell.awaitClosed, { discard: true }).pipe(
          Effect.andThen(Effect.sync(() => {
            timer.interruptUnsafe()
            watched.end()
            work?.end(Exit.void)
          })),
          Deferred.into(done)
        )
      )
    }
    return Deferred.await(closing)
  })

  const runtime = SessionRuntime.of({
    create: (request) => Effect.map(startOnce(request, "continuing"), toCell),
    createPausable: (request) => Effect.map(startOnce(request, "pausable"), toPausable),
    execute: (request, options) =>
      Effect.map(startOnce(request, "continuing"), (cell) => ({
        cell: toCell(cell),
        initial: options?.idempotencyKey !== undefined
          ? observeOnce(options.idempotencyKey, cell.id, YieldAfter.of(options))
          : request.idempotencyKey !== undefined
          ? observeFirst(cell, YieldAfter.of(options))
          : cell.observe(YieldAfter.of(options))
      })),
    observe: (cell, options) =>
      options?.idempotencyKey === undefined
        ? Effect.flatMap(find(cell.id), (found) => found.observe(YieldAfter.of(options)))
        : observeOnce(options.idempotencyKey, cell.id, YieldAfter.of(options)),
    awaitFrontier: (cell) => Effect.flatMap(find(cell.id), (found) => found.awaitFrontier),
    resume: (cell, generation) => {
      const resumed = Effect.flatMap(find(cell.id), (found) => found.resume(generation))
      return kept === undefined ? resumed : kept.resumes(cell.id, resumed)
    },
    terminate: (cell) => Effect.flatMap(find(cell.id), (found) => found.terminate),
    yieldNow: (cell) => Effect.map(find(cell.id), (found) => found.yieldNow()),
    cell: (id) => Effect.map(findKind(id, "continuing"), toCell),
    pausableCell: (id) => Effect.map(findKind(id, "pausable"), toPausable),
    cells: Effect.sync(() =>
      Array.from(live.values(), (cell) => ({
        cell: CellRef.of(cell.id, cell.kind),
        status: cell.status(),
        busy: cell.isBusy(),
        degraded: cell.isDegraded(),
        awaitingApproval: cell.awaitingApproval()
      }))
    ),
    awaitSettled: (id) =>
      Effect.suspend(() => {
        const ended = finished.get(id)
        return ended === undefined
          ? Effect.flatMap(find(id), (cell) =>
            kept === undefined ? cell.awaitSettled : kept.unlessLost(cell.awaitSettled))
          : Effect.succeed(ended.outcome)
      }),
    ledger: (id) =>
      Effect.suspend(() => {
        const ended = finished.get(id)
        return ended === undefined ? Effect.flatMap(find(id), (cell) => cell.ledger) : ended.ledger
      }),
    tools: Effect.sync(() => Shape.forCells(delegate.tools)),
    instructions: Effect.sync(() => delegate.instructions ?? new Map()),
    limits,
    storedValues: Effect.sync(() =>
      Object.fromEntries(Array.from(stored.snapshot(), ([key, json]) => [key, JSON.parse(json)]))
    ),
    events: watched.events,
    activity: watched.activity,
    output: (cell) => Stream.unwrap(Effect.map(find(cell.id), (found) => found.output)),
    shutdown,
    isAlive: Effect.sync(() => closing === undefined)
  })

  // First, so that it hears of the end.
  const processes = lease.processes ?? (() => [])
  yield* looking?.begin(runtime, { processes, isKept: kept !== undefined }) ?? Effect.void
  // One that is kept goes on where it is opened next.
  yield* Effect.addFinalizer(() => kept === undefined ? shutdown : Effect.andThen(kept.suspend, shutdown))
  if (kept !== undefined) {
    runFork(Effect.andThen(kept.awaitLost, shutdown))
    for (const before of yield* kept.restore(bounds, delegate.tools)) {
      restoreCell(before)
    }
    for (const { cellId, event, key, wait } of kept.kept) {
      if (key === undefined) {
        firsts.set(cellId, Effect.succeed(event))
      } else {
        observations.set(key, { cellId, wait, event: Effect.succeed(event) })
      }
    }
  }
  return runtime
})

// =============================================================================
// Layers
// =============================================================================

/**
 * A session over the delegate and the engine that it is given. `Remote` has sessions whose cells live in another process.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options?: Options
): Layer.Layer<SessionRuntime, Protocol.IsolateFailure, Delegate.Delegate | Isolate.Isolate> =>
  Layer.effect(SessionRuntime, make(options))

/**
 * How a durable session differs from a default one. Its name is the session's in the store, in logs and in the
 * `idempotencyKey` of its calls.
 *
 * **Details**
 *
 * - `storedValues`: what its cells find stored when it is opened for the first time.
 * - `lease` (15 s): how long it stays with this process without a sign of life. It is renewed meanwhile. After the end of a
 *   process, others of the same machine need not wait for that. With 0 it is never renewed, and keeps none away.
 * - `owner`: the name of this owner. Without it, one that no other has.
 * - `idleAfter` (30 s): how long a cell that waits keeps its isolate. Without one it takes little memory, and is run again
 *   from its journal when something comes for it.
 * - `maxIdleInMemory` (32): cells that wait and keep their isolate.
 * - `retention`: what of its ended cells is kept for how long. It is looked at when the session is opened.
 * - `maxReplayTime` (1 minute): what a cell may take to go on from its journal. Past it, it ends with `LimitExceeded`.
 *
 * @category constructors
 * @since 0.1.0
 */
export interface DurableOptions extends Omit<Options, "sessionId" | "cellIds"> {
  readonly session: string
  readonly lease?: Duration.Input | undefined
  readonly owner?: string | undefined
  readonly idleAfter?: Duration.Input | undefined
  readonly maxIdleInMemory?: number | undefined
  readonly retention?: Retention | undefined
  readonly maxReplayTime?: Duration.Input | undefined
}

/**
 * Opens a session whose cells outlive their process: what happens is kept in the `Store` before it has an effect, and a
 * session that was opened before goes on from there. See `layerDurable`.
 *
 * **Details**
 *
 * Closing the scope gives the session back and ends none of its cells: they go on where it is opened next. `shutdown` ends
 * them.
 *
 * Where another owner takes the session over, or the store fails, this process has lost it: `isAlive` is false, and
 * those who wait die with `Fenced` or `StoreFailure` as a defect; after the scope was closed, with `SessionSuspended`. No cell
 * has ended by that.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeDurable = Effect.fnUntraced(function*(options: DurableOptions): Effect.fn.Return<
  SessionRuntime["Service"],
  Protocol.SessionTaken | Protocol.StoreFailure | Protocol.IsolateFailure,
  Delegate.Delegate | Isolate.Isolate | Store | Scope.Scope
> {
  const lease = yield* Isolate.Isolate.use((isolate) => isolate.lease)
  const { maxRememberedCells } = Protocol.Limits.make(options.limits ?? {})
  const kept = yield* DurableSession.open(
    { ...options, maxRemembered: maxRememberedCells, storedValues: new Map(toTexts(options.storedValues)) },
    lease
  )
  return yield* makeWith({ ...options, sessionId: options.session }, lease, kept)
})

/**
 * A session whose cells outlive their process. It needs a `Store`.
 *
 * **Example** (A session in a file)
 *
 * ```ts
 * import * as Delegate from "effect-code-mode/Delegate"
 * import * as Runtime from "effect-code-mode/Runtime"
 * import * as Store from "effect-code-mode/Store"
 * import * as V8 from "effect-code-mode/V8"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 *
 * // Run it again after a crash: the cell of this key goes on where it was, or has its outcome.
 * const program = Effect.gen(function*() {
 *   const session = yield* Runtime.SessionRuntime
 *   const { initial } = yield* session.execute({
 *     callId: "call-1",
 *     source: "await new Promise((resolve) => setTimeout(resolve, 3_600_000)); text('an hour later')",
 *     idempotencyKey: "task-1"
 *   })
 *   return yield* initial
 * })
 *
 * const layer = Runtime.layerDurable({ session: "user-42" }).pipe(
 *   Layer.provide([Delegate.layerNoop, V8.layer(), Store.layerSqlite({ filename: "sessions.db" })])
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDurable = (
  options: DurableOptions
): Layer.Layer<
  SessionRuntime,
  Protocol.SessionTaken | Protocol.StoreFailure | Protocol.IsolateFailure,
  Delegate.Delegate | Isolate.Isolate | Store
> => Layer.effect(SessionRuntime, makeDurable(options))
