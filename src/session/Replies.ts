/**
 * What a session answers to those who ask it from another process, by operation.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import * as Protocol from "../Protocol.ts"
import * as CellRef from "./CellRef.ts"

export const create = {
  success: Protocol.CellId,
  error: Schema.Union([
    Protocol.ShuttingDown,
    Protocol.CapacityExceeded,
    Protocol.IsolateFailure,
    Protocol.IdempotencyConflict,
    Protocol.WrongCellKind
  ])
}

export const observe = {
  success: Protocol.CellEvent,
  error: Schema.Union([Protocol.BusyObserver, Protocol.MissingCell, Protocol.IdempotencyConflict])
}

export const awaitFrontier = {
  success: Schema.Union([Protocol.Frontier, Protocol.Outcome]),
  error: Schema.Union([Protocol.BusyObserver, Protocol.MissingCell])
}

export const terminate = {
  success: Protocol.Outcome,
  error: Schema.Union([Protocol.AlreadyTerminating, Protocol.MissingCell])
}

export const resume = {
  success: Schema.Literals(["Resumed", "AlreadyRunning"]),
  error: Schema.Union([Protocol.InvalidGeneration, Protocol.MissingCell])
}

export const find = { error: Schema.Union([Protocol.MissingCell, Protocol.WrongCellKind]) }

export const cells = {
  success: Schema.Array(Schema.Struct({
    cellId: Protocol.CellId,
    kind: Protocol.CellKind,
    status: Protocol.CellStatus,
    busy: Schema.Boolean,
    degraded: Schema.Boolean,
    awaitingApproval: Schema.Array(Protocol.ToolCallId)
  }))
}

type ToldCell = typeof cells.success.Type[number]

interface LiveCell extends Omit<ToldCell, "cellId" | "kind"> {
  readonly cell: CellRef.Cell | CellRef.PausableCell
}

/** Live cells as they are told. */
export const toCells = (live: ReadonlyArray<LiveCell>): ReadonlyArray<ToldCell> =>
  live.map(({ cell, ...state }) => ({ cellId: cell.id, kind: CellRef.kindOf(cell), ...state }))

/** Live cells as they were told. */
export const fromCells = (told: ReadonlyArray<ToldCell>): ReadonlyArray<LiveCell> =>
  told.map(({ cellId, kind, ...state }) => ({ cell: CellRef.of(cellId, kind), ...state }))
