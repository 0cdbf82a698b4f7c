/**
 * SessionRuntime: the scoped service that owns a session's cells and the values they share.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Stream from "effect/Stream"
import type * as Delegate from "./Delegate.ts"
import type * as Isolate from "./Isolate.ts"
import type * as Protocol from "./Protocol.ts"

/** A cell that goes on by itself. */
export interface Cell {
  readonly _tag: "Cell"
  readonly id: Protocol.CellId
}

/** A cell that pauses at every frontier. */
export interface PausableCell {
  readonly _tag: "PausableCell"
  readonly id: Protocol.CellId
}

export interface ObserveOptions {
  /** How long to wait before hearing `Yielded`. Infinite by default. */
  readonly yieldAfter?: Duration.Input | undefined
  readonly idempotencyKey?: string | undefined
}

/** What `execute` gives: the cell, and its first event, which cannot be missed. */
export interface Execution {
  readonly cell: Cell
  readonly initial: Effect.Effect<Protocol.CellEvent, Protocol.MissingCell>
}

export type CreateError =
  | Protocol.ShuttingDown
  | Protocol.CapacityExceeded
  | Protocol.IsolateFailure
  | Protocol.IdempotencyConflict
  | Protocol.WrongCellKind

export class SessionRuntime extends Context.Service<SessionRuntime, {
  readonly create: (request: Protocol.CellRequest) => Effect.Effect<Cell, CreateError>
  readonly createPausable: (request: Protocol.CellRequest) => Effect.Effect<PausableCell, CreateError>
  readonly observe: (
    cell: Cell,
    options?: ObserveOptions
  ) => Effect.Effect<Protocol.CellEvent, Protocol.MissingCell | Protocol.BusyObserver | Protocol.IdempotencyConflict>
  readonly execute: (request: Protocol.CellRequest, options?: ObserveOptions) => Effect.Effect<Execution, CreateError>
  readonly terminate: (
    cell: Cell | PausableCell
  ) => Effect.Effect<Protocol.Outcome, Protocol.MissingCell | Protocol.AlreadyTerminating>
  readonly cell: (id: Protocol.CellId) => Effect.Effect<Cell, Protocol.MissingCell | Protocol.WrongCellKind>
  readonly events: Stream.Stream<Protocol.LifecycleEvent, Protocol.Lagged>
  /** Output items as they are made, beside the observations; ends when the cell has settled. */
  readonly output: (
    cell: Cell | PausableCell
  ) => Stream.Stream<Protocol.OutputItem, Protocol.MissingCell | Protocol.Lagged>
  readonly shutdown: Effect.Effect<void>
  readonly isAlive: Effect.Effect<boolean>
}>()("effect-code-mode/SessionRuntime") {}

export declare const layer: (options?: {
  readonly limits?: Protocol.Limits | undefined
}) => Layer.Layer<SessionRuntime, Protocol.IsolateFailure, Delegate.Delegate | Isolate.Isolate>
