/**
 * What a cell asks of those who keep its session: nothing has an effect before it is kept.
 *
 * @internal
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type {
  CellError,
  CellEvent,
  CellId,
  Frontier,
  Ledger,
  MissingCell,
  ToolCallId,
  ToolCallState
} from "../Protocol.ts"
import type { StoredWrites } from "./Cell.ts"
import type * as CellPhase from "./CellPhase.ts"

export interface Keeper {
  /**
   * Keeps how a cell ends, and what it has stored. `false` where the session is kept no more: then it has not ended. An error
   * where what it has stored cannot be kept.
   */
  readonly settle: (
    cell: CellId,
    ending: CellPhase.Ending,
    writes: StoredWrites
  ) => Effect.Effect<boolean | CellError>
  /** Keeps that an observer hears an event. It dies where the session is kept no more. */
  readonly hear: (event: CellEvent | Frontier, observation: Observation) => Effect.Effect<void>
  /** An observer went away before it had an event that is kept. */
  readonly unheard: (event: CellEvent | Frontier) => void
  /** A notification was delivered, or given up. */
  readonly delivered: (cell: CellId, sequence: number) => void
  /** A call waits for an approval, before its tool has done anything. */
  readonly asked: (cell: CellId, call: ToolCallId) => void
  /** Keeps that the tool begins to work on a call that has waited. */
  readonly begins: (cell: CellId, call: ToolCallId, attempt: number) => Effect.Effect<void>
  /** How a call has ended, before its cell hears of it. */
  readonly called: (cell: CellId, call: ToolCallId, state: ToolCallState) => void
}

/** Under which key an observation can be had again, or that it is the first one of its cell. */
export interface Observation {
  readonly key?: string | undefined
  /** In milliseconds. */
  readonly wait: number
  readonly isFirst?: boolean | undefined
}

/** That of the fiber that observes. */
export const Observation = Context.Reference<Observation>("effect-code-mode/session/Observation", {
  defaultValue: () => ({ wait: Infinity })
})

/** What is known of a cell that was kept. */
export interface Restored {
  readonly state: CellPhase.State
  readonly calls: Ledger["calls"]
  /** Where it has ended, its calls are not among these, and are read when they are asked for. */
  readonly ledger: Effect.Effect<Ledger, MissingCell> | undefined
  /** How many times it has notified. */
  readonly notified: number
}
