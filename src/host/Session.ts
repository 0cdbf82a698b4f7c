/**
 * One session as a client sees it, over whatever wire: requests in, outcomes out, in the order that the protocols promise.
 *
 * **Details**
 *
 * Of one execution a client hears, in this order: that it started, requests to its delegate, the initial outcome,
 * and once nothing else will be said of the cell, that it closed. A session is closed after all of its cells.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Delegate } from "../Delegate.ts"
import type { Isolate } from "../Isolate.ts"
import {
  type AlreadyTerminating,
  type BusyObserver,
  CapacityExceeded,
  type CellEvent,
  type CellRequest,
  type IdempotencyConflict,
  type IsolateFailure,
  Limits,
  MissingCell,
  type OutputItem
} from "../Protocol.ts"
import * as Runtime from "../Runtime.ts"
import * as Truncation from "../Truncation.ts"
import type { LiveCells } from "../wire/LiveCells.ts"

/** What a session needs of its client. */
export interface Client {
  /** Of the session. It hears nothing of a cell before `announced` is over. */
  readonly delegate: (announced: (cellId: string) => Effect.Effect<void>) => Delegate["Service"]
  /** Waits until the client has read enough of what it was told before. */
  readonly room: Effect.Effect<void>
  /** Nothing else will be said of this cell, of which the client knows. */
  readonly onClosed: (cellId: string) => void
  readonly limits: Limits
  readonly liveCells: LiveCells
}

/** What a client wishes of a session. Its bounds stay below those of the host. */
export interface Wishes {
  readonly sessionId: string
  readonly maxYieldMillis?: number | null | undefined
  readonly maxHeapSizeBytes?: number | null | undefined
  /** Whether output is fitted into a budget of tokens here, or by the client. */
  readonly truncates: boolean
}

/** How a cell stands, and what it put out since it was last asked. */
export interface Outcome {
  readonly state: "Yielded" | "Terminated" | "Completed" | "Missing"
  readonly cellId: string
  readonly items: ReadonlyArray<OutputItem>
  /** Of a cell that failed, or that is not there. */
  readonly error: string | null
  /** How long the completion had waited to be read, in nanoseconds. */
  readonly bufferedNanos: number
}

/** One request, as its client made it. */
export interface Request {
  /** Whether nothing is left to say: it was taken back. */
  readonly isAnswered: () => boolean
  /** Its cell is there. */
  readonly start: (cellId: string) => void
  readonly tell: (outcome: Outcome) => void
  /** The observation begins. Gives whether it is to answer at once; from now on `yieldNow` makes it answer. */
  readonly beginObserving: (yieldNow: Effect.Effect<void>) => boolean
}

interface Budgeted {
  /** Tokens that the outcome may have, where the session truncates. */
  readonly budget?: number | null | undefined
}

export interface Execute extends Budgeted {
  readonly cell: CellRequest
  readonly yieldMillis?: number | null | undefined
}

export interface Wait extends Budgeted {
  readonly cellId: string
  readonly yieldMillis: number
}

export interface Terminate extends Budgeted {
  readonly cellId: string
}

export interface Session {
  readonly execute: (
    request: Request,
    message: Execute
  ) => Effect.Effect<void, Runtime.CreateError | ObserveError | MissingCell>
  readonly wait: (request: Request, message: Wait) => Effect.Effect<void, ObserveError>
  readonly terminate: (request: Request, message: Terminate) => Effect.Effect<void, AlreadyTerminating>
  /** Ends the session, and waits until all of its cells are closed. */
  readonly shutdown: Effect.Effect<void>
}

type ObserveError = BusyObserver | IdempotencyConflict

/** What is known of a cell. */
interface Entry {
  readonly announced: Latch.Latch
  /** Set once the client knows the cell. */
  cell: Runtime.Cell | undefined
  settledAt: bigint | undefined
  /** Requests whose answer is about this cell. */
  requests: number
  closed: boolean
}

const defaultYieldMillis = 10_000
const graceFromMillis = 10_000
const graceMillis = 1_000

/** Of the client's tool calls at a time: as many as hosts allow by themselves, and on request. */
const toolCalls = 1024
const toolCallsOnRequest = 4096

/** The tool calls at a time of a client that can take more. A bound that is there to be low is not raised. */
export const raisedToolCalls = ({ maxToolCallsInFlight }: Limits): number =>
  maxToolCallsInFlight < toolCalls ? maxToolCallsInFlight : Math.max(toolCallsOnRequest, maxToolCallsInFlight)

const defaultHeapBytes = Limits.make({}).maxHeapSizeBytes

/** What a client wishes, below what its host allows. Where one of them says 0 it leaves it to the other. */
const heapSize = (wish: number | null | undefined, most: number): number =>
  Math.min(wish || Infinity, most || defaultHeapBytes)

/** Makes a session that ends with the scope, if it does not end before. */
export const make = Effect.fnUntraced(function*(
  client: Client,
  { maxHeapSizeBytes, maxYieldMillis, sessionId, truncates }: Wishes
): Effect.fn.Return<Session, IsolateFailure, Isolate | Scope.Scope> {
  const clock = yield* Clock.Clock
  const scope = yield* Effect.flatMap(Effect.scope, Scope.fork)
  const entries = new Map<string, Entry>()
  /** Open while there is no cell. */
  const empty = Latch.makeUnsafe(true)

  const runtime = yield* Runtime.make({
    sessionId,
    cellIds: "sequential",
    contentTakesResults: false,
    limits: Limits.make({
      ...client.limits,
      maxHeapSizeBytes: heapSize(maxHeapSizeBytes, client.limits.maxHeapSizeBytes)
    })
  }).pipe(
    Effect.provideService(Delegate, client.delegate((id) => entryOf(id).announced.await)),
    Scope.provide(scope),
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
  )

  const leave = client.liveCells.add(runtime)
  yield* Scope.addFinalizer(scope, Effect.sync(leave))

  // ---------------------------------------------------------------------------
  // Cells
  // ---------------------------------------------------------------------------

  const entryOf = (id: string): Entry => {
    const known = entries.get(id)
    if (known !== undefined) {
      return known
    }
    const entry: Entry = {
      announced: Latch.makeUnsafe(),
      cell: undefined,
      settledAt: undefined,
      requests: 0,
      closed: false
    }
    entries.set(id, entry)
    empty.closeUnsafe()
    return entry
  }

  const forgetIfDone = (id: string, entry: Entry) => {
    if (!entry.closed || entry.requests > 0) {
      return
    }
    entries.delete(id)
    if (entry.cell !== undefined) {
      client.onClosed(id)
    }
    if (entries.size === 0) {
      empty.openUnsafe()
    }
  }

  /** Something that is said of a cell, before the client hears that it closed. */
  const about = <E>(id: string, entry: Entry, effect: Effect.Effect<void, E>) =>
    Effect.suspend(() => {
      entry.requests++
      return Effect.ensuring(
        effect,
        Effect.sync(() => {
          entry.requests--
          forgetIfDone(id, entry)
        })
      )
    })

  const watching = yield* Effect.forkDetach(
    Stream.runForEach(runtime.events, (event) =>
      Effect.sync(() => {
        if (event._tag === "Settled") {
          entryOf(event.cellId).settledAt = clock.monotonicTimeNanosUnsafe()
        } else if (event._tag === "Closed") {
          const entry = entryOf(event.cellId)
          entry.closed = true
          forgetIfDone(event.cellId, entry)
        }
      })),
    { startImmediately: true }
  )

  // ---------------------------------------------------------------------------
  // Outcomes
  // ---------------------------------------------------------------------------

  const toItems = (items: ReadonlyArray<OutputItem>, error: string | null, budget: number | null | undefined) => {
    if (!truncates) {
      return items
    }
    const all = error === null ? items : [...items, { type: "input_text" as const, text: `Script error:\n${error}` }]
    return Truncation.truncate(all, budget ?? Truncation.defaultBudget)
  }

  const toOutcome = (event: CellEvent, budget: number | null | undefined): Outcome => {
    const error = event._tag === "Completed" ? event.error?.text ?? null : null
    const settledAt = event._tag === "Completed" ? entries.get(event.cellId)?.settledAt : undefined
    return {
      state: event._tag,
      cellId: event.cellId,
      items: toItems(event.items, error, budget),
      error,
      bufferedNanos: settledAt === undefined ? 0 : Number(clock.monotonicTimeNanosUnsafe() - settledAt)
    }
  }

  const missing = (cellId: string, budget: number | null | undefined): Outcome => {
    const error = `exec cell ${cellId} not found`
    return { state: "Missing", cellId, items: toItems([], error, budget), error, bufferedNanos: 0 }
  }

  /** Tells a cell's event, or the fact that there is no such cell. */
  const tellEvent = <E>(
    request: Request,
    { budget, cellId }: Terminate,
    event: (cell: Runtime.Cell) => Effect.Effect<CellEvent, MissingCell | E>
  ): Effect.Effect<void, E> => {
    const tellMissing = Effect.sync(() => request.tell(missing(cellId, budget)))
    const entry = entries.get(cellId)
    return entry?.cell === undefined ? tellMissing : about(
      cellId,
      entry,
      event(entry.cell).pipe(
        Effect.map((event) => request.tell(toOutcome(event, budget))),
        Effect.catchIf((error): error is MissingCell => error instanceof MissingCell, () => tellMissing)
      ) as Effect.Effect<void, E>
    )
  }

  // ---------------------------------------------------------------------------
  // Requests
  // ---------------------------------------------------------------------------

  const toYieldAfter = (millis: number) => {
    const generous = millis < graceFromMillis ? millis : millis + graceMillis
    return Duration.millis(Math.min(generous, maxYieldMillis ?? Infinity))
  }

  /** The next event, once the client has read enough of what it was told before. */
  const observe = (request: Request, cell: Runtime.Cell, millis: number) =>
    Effect.andThen(
      client.room,
      Effect.suspend(() => {
        const atOnce = request.beginObserving(Effect.ignore(runtime.yieldNow(cell)))
        return runtime.observe(cell, { yieldAfter: atOnce ? Duration.zero : toYieldAfter(millis) })
      })
    )

  const create = Effect.fnUntraced(function*(cell: CellRequest) {
    if (yield* client.liveCells.isFull) {
      return yield* new CapacityExceeded({ limit: "maxLiveCells", text: "code-mode host has too many active cells" })
    }
    return yield* client.liveCells.start(runtime.create(cell))
  })

  const execute = Effect.fnUntraced(function*(request: Request, message: Execute) {
    // A cell whose maker was interrupted would have no owner.
    const cell = yield* Effect.uninterruptible(create(message.cell))
    if (request.isAnswered()) {
      // It was cancelled meanwhile, and the client does not know of the cell.
      return yield* Effect.ignore(runtime.terminate(cell))
    }
    const entry = entryOf(cell.id)
    entry.cell = cell
    request.start(cell.id)
    entry.announced.openUnsafe()
    yield* about(
      cell.id,
      entry,
      Effect.map(
        observe(request, cell, message.yieldMillis ?? defaultYieldMillis),
        (event) => request.tell(toOutcome(event, message.budget))
      )
    )
  })

  return {
    execute,
    wait: (request, message) => tellEvent(request, message, (cell) => observe(request, cell, message.yieldMillis)),
    terminate: (request, message) => tellEvent(request, message, (cell) => runtime.terminate(cell)),
    shutdown: runtime.shutdown.pipe(
      Effect.andThen(Fiber.await(watching)),
      Effect.andThen(empty.await),
      Effect.andThen(Scope.close(scope, Exit.void))
    )
  }
})
