/**
 * One session as a client sees it: operations in, answers out, in the order that the protocol promises.
 *
 * **Details**
 *
 * Of one execution a client hears, in this order: that it started, requests to its delegate, the initial response,
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
  type CellEvent,
  type CellRequest,
  type IsolateFailure,
  Limits,
  MissingCell,
  type OutputItem
} from "../Protocol.ts"
import * as Runtime from "../Runtime.ts"
import * as Truncation from "../Truncation.ts"
import type { LiveCells } from "../wire/LiveCells.ts"
import type * as Message from "../wire/Message.ts"
import type { ClientDelegate } from "./ClientDelegate.ts"
import { type Operation, OperationError } from "./Operation.ts"
import type { Post } from "./Post.ts"

/** What a session needs of its connection. */
export interface Client {
  readonly post: Post
  /** Waits until the client has read enough of what it was told before. */
  readonly room: Effect.Effect<void>
  readonly delegate: ClientDelegate
  readonly limits: Limits
  readonly liveCells: LiveCells
}

export interface Session {
  readonly execute: (operation: Operation, message: Message.Execute) => Effect.Effect<void, OperationError>
  readonly wait: (operation: Operation, message: Message.Wait) => Effect.Effect<void, OperationError>
  readonly terminate: (operation: Operation, message: Message.Terminate) => Effect.Effect<void, OperationError>
  /** Ends the session, and tells the client once all of its cells are closed. */
  readonly shutdown: (operation: Operation) => Effect.Effect<void>
}

const toOperationError = ({ message }: { readonly message: string }) => new OperationError({ message })

/** What is known of a cell. */
interface Entry {
  readonly announced: Latch.Latch
  /** Set once the client knows the cell. */
  cell: Runtime.Cell | undefined
  settledAt: bigint | undefined
  /** Operations whose answer is about this cell. */
  operations: number
  closed: boolean
}

const defaultYieldMillis = 10_000
const graceFromMillis = 10_000
const graceMillis = 1_000

const toTool = (tool: Message.ToolDefinition) => ({
  name: tool.name,
  toolName: { name: tool.tool_name.name, namespace: tool.tool_name.namespace ?? null },
  description: tool.description,
  kind: tool.kind
})

const toCellRequest = ({ request }: Message.Execute): CellRequest => ({
  callId: request.tool_call_id,
  source: request.source,
  tools: request.enabled_tools.map(toTool)
})

/** Makes a session that ends with the scope, if it does not end before. */
export const make = Effect.fnUntraced(function*(
  client: Client,
  { cellExecutionLimits, outputTruncation, sessionId }: Message.Open
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
      maxHeapSizeBytes: Math.min(
        cellExecutionLimits?.maxHeapSizeBytes ?? client.limits.maxHeapSizeBytes,
        Number.MAX_SAFE_INTEGER
      )
    })
  }).pipe(
    Effect.provideService(Delegate, client.delegate.forSession(sessionId, (id) => entryOf(id).announced.await)),
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
      operations: 0,
      closed: false
    }
    entries.set(id, entry)
    empty.closeUnsafe()
    return entry
  }

  const forgetIfDone = (id: string, entry: Entry) => {
    if (!entry.closed || entry.operations > 0) {
      return
    }
    entries.delete(id)
    if (entry.cell !== undefined) {
      client.post({ type: "cell/closed", sessionId, cellId: id })
    }
    if (entries.size === 0) {
      empty.openUnsafe()
    }
  }

  /** Something that is said of a cell, before the client hears that it closed. */
  const about = <E>(id: string, entry: Entry, effect: Effect.Effect<void, E>) =>
    Effect.suspend(() => {
      entry.operations++
      return Effect.ensuring(
        effect,
        Effect.sync(() => {
          entry.operations--
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
  // Answers
  // ---------------------------------------------------------------------------

  const toItems = (items: ReadonlyArray<OutputItem>, error: string | null, budget: number | null | undefined) => {
    if (outputTruncation !== "server") {
      return items
    }
    const all = error === null ? items : [...items, { type: "input_text" as const, text: `Script error:\n${error}` }]
    return Truncation.truncate(all, budget ?? Truncation.defaultBudget)
  }

  const toResult = (
    operation: Operation,
    cellId: string,
    items: ReadonlyArray<OutputItem>,
    error: string | null,
    budget: number | null | undefined
  ): Message.CellResponse => {
    const settledAt = entries.get(cellId)?.settledAt
    return {
      Result: {
        cell_id: cellId,
        content_items: toItems(items, error, budget),
        error_text: error,
        result_buffered_for_ns: settledAt === undefined ? 0 : Number(clock.monotonicTimeNanosUnsafe() - settledAt),
        code_mode_host_duration_ns: operation.duration()
      }
    }
  }

  const toResponse = (
    operation: Operation,
    event: CellEvent,
    budget: number | null | undefined
  ): Message.CellResponse => {
    if (event._tag === "Completed") {
      return toResult(operation, event.cellId, event.items, event.error?.text ?? null, budget)
    }
    const stillThere = {
      cell_id: event.cellId,
      content_items: toItems(event.items, null, budget),
      code_mode_host_duration_ns: operation.duration()
    }
    return event._tag === "Yielded" ? { Yielded: stillThere } : { Terminated: stillThere }
  }

  /** Answers with a cell's event, or with the fact that there is no such cell. */
  const answerEvent = <E extends { readonly message: string }>(
    operation: Operation,
    cellId: string,
    budget: number | null | undefined,
    event: (cell: Runtime.Cell) => Effect.Effect<CellEvent, MissingCell | E>
  ): Effect.Effect<void, OperationError> => {
    const answerMissing = Effect.sync(() =>
      operation.answer({
        type: "wait/completed",
        outcome: { MissingCell: toResult(operation, cellId, [], `exec cell ${cellId} not found`, budget) }
      })
    )
    const entry = entries.get(cellId)
    return entry?.cell === undefined ? answerMissing : about(
      cellId,
      entry,
      event(entry.cell).pipe(
        Effect.map((event) =>
          operation.answer({
            type: "wait/completed",
            outcome: { LiveCell: toResponse(operation, event, budget) }
          })
        ),
        Effect.catchIf((error) => error instanceof MissingCell, () => answerMissing),
        Effect.mapError(toOperationError)
      )
    )
  }

  // ---------------------------------------------------------------------------
  // Operations
  // ---------------------------------------------------------------------------

  const toYieldAfter = (millis: number) => {
    const generous = millis < graceFromMillis ? millis : millis + graceMillis
    return Duration.millis(Math.min(generous, cellExecutionLimits?.maxYieldTimeMs ?? Infinity))
  }

  /** The next event, once the client has read enough of what it was told before. */
  const observe = (operation: Operation, cell: Runtime.Cell, millis: number) =>
    Effect.andThen(
      client.room,
      Effect.suspend(() => {
        const atOnce = operation.beginObserving(Effect.ignore(runtime.yieldNow(cell)))
        return runtime.observe(cell, { yieldAfter: atOnce ? Duration.zero : toYieldAfter(millis) })
      })
    )

  const create = Effect.fnUntraced(function*(message: Message.Execute) {
    const budget = message.request.max_output_tokens ?? 0
    if (budget < 0) {
      return yield* new OperationError({ message: `invalid code-mode execute request: max_output_tokens is ${budget}` })
    }
    if (yield* client.liveCells.isFull) {
      return yield* new OperationError({ message: "code-mode host has too many active cells" })
    }
    return yield* Effect.mapError(client.liveCells.start(runtime.create(toCellRequest(message))), toOperationError)
  })

  const execute = Effect.fnUntraced(function*(operation: Operation, message: Message.Execute) {
    const { max_output_tokens: budget, yield_time_ms: yieldTime } = message.request
    // A cell whose maker was interrupted would belong to nobody.
    const cell = yield* Effect.uninterruptible(create(message))
    if (operation.isAnswered()) {
      // It was cancelled meanwhile, and the client does not know of the cell.
      return yield* Effect.ignore(runtime.terminate(cell))
    }
    const entry = entryOf(cell.id)
    entry.cell = cell
    operation.start(cell.id)
    entry.announced.openUnsafe()
    yield* about(
      cell.id,
      entry,
      observe(operation, cell, yieldTime ?? defaultYieldMillis).pipe(
        Effect.map((event) => operation.respond(toResponse(operation, event, budget))),
        Effect.mapError(toOperationError)
      )
    )
  })

  return {
    execute,
    wait: (operation, { maxOutputTokens, request }) =>
      answerEvent(
        operation,
        request.cell_id,
        maxOutputTokens,
        (cell) => observe(operation, cell, request.yield_time_ms)
      ),
    terminate: (operation, { cellId, maxOutputTokens }) =>
      answerEvent(operation, cellId, maxOutputTokens, (cell) => runtime.terminate(cell)),
    shutdown: (operation) =>
      runtime.shutdown.pipe(
        Effect.andThen(Fiber.await(watching)),
        Effect.andThen(empty.await),
        Effect.andThen(Scope.close(scope, Exit.void)),
        Effect.andThen(Effect.sync(() => operation.answer({ type: "session/closed", sessionId })))
      )
  }
})
