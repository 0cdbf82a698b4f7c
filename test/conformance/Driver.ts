/**
 * What the cases are played on: anything that runs cells for a delegate.
 */
import type * as Delegate from "effect-code-mode/Delegate"
import {
  type CellEvent,
  type CellId,
  type CellRequest,
  MissingCell,
  type ObserveOutcome
} from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

export interface Cell {
  readonly id: CellId
  /** The first event, to be asked for once. */
  readonly initial: Effect.Effect<ObserveOutcome, unknown>
  readonly observe: (yieldAfter: Duration.Input | undefined) => Effect.Effect<ObserveOutcome, unknown>
  readonly terminate: Effect.Effect<ObserveOutcome, unknown>
  /** Waits until the cell has put out so many items that nobody has read. */
  readonly awaitOutput: (count: number) => Effect.Effect<void, unknown>
}

export interface Session {
  readonly execute: (
    request: CellRequest,
    yieldAfter: Duration.Input | undefined
  ) => Effect.Effect<Cell, unknown>
  readonly shutdown: Effect.Effect<void>
}

/** Opens a session over a delegate. */
export type Driver<R = never> = (
  delegate: Layer.Layer<Delegate.Delegate>
) => Effect.Effect<Session, unknown, R | Scope.Scope>

const total = <E>(event: Effect.Effect<CellEvent, E>): Effect.Effect<ObserveOutcome, E> =>
  Effect.catchIf(
    event,
    (error) => error instanceof MissingCell,
    (error) => Effect.succeed<ObserveOutcome>({ _tag: "Missing", cellId: (error as MissingCell).cellId })
  )

/** Sessions that a layer makes. */
export const fromLayer = <E, R>(
  layer: Layer.Layer<Runtime.SessionRuntime, E, Delegate.Delegate | R>
): Driver<R> =>
  Effect.fnUntraced(function*(delegate) {
    const context = yield* Layer.build(Layer.fresh(Layer.provide(layer, delegate)))
    const session = Context.get(context, Runtime.SessionRuntime)
    return {
      execute: (request, yieldAfter) =>
        Effect.map(session.execute(request, { yieldAfter }), ({ cell, initial }) => ({
          id: cell.id,
          initial: total(initial),
          observe: (yieldAfter) => total(session.observe(cell, { yieldAfter })),
          terminate: total(session.terminate(cell)),
          awaitOutput: (count) => session.output(cell).pipe(Stream.take(count), Stream.runDrain)
        })),
      shutdown: session.shutdown
    }
  })
