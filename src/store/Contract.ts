/**
 * What a store is, for those that are built here.
 *
 * @internal
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { CellId, Epoch, Fenced, SessionTaken, StoreFailure } from "../Protocol.ts"
import type { Record } from "./Record.ts"

export interface SessionJournal {
  readonly session: string
  readonly records: ReadonlyArray<Record>
}

/** The part of a journal that is wanted. */
export interface Part {
  /** What it has of the session itself and of this cell. */
  readonly cell?: CellId | undefined
  /**
   * With `outcomes`, cells that have ended come without what only says how they came to it: `Turn`, `Called`, `Asked`,
   * `Attempted`, `Answered`, `Notified`, `Delivered` and `Frontier`.
   */
  readonly ended?: "outcomes" | undefined
}

export interface SessionSummary {
  readonly session: string
  readonly epoch: Epoch
  readonly owner: string | undefined
  readonly leaseUntil: number | undefined
  readonly createdAt: number
  readonly changedAt: number
  readonly liveCells: number
  readonly settledCells: number
  readonly bytes: number
}

export interface Contract {
  /**
   * Takes a session, which is made where there is none, for as long as `lease` from now. It is refused while the lease of
   * another owner lasts. The same owner may claim it again at any time. `insteadOf` names an owner that is known to be gone.
   *
   * A lease of 0 keeps no other owner away: for those that have agreed otherwise.
   */
  readonly claim: (
    session: string,
    owner: string,
    lease: Duration.Input,
    options?: { readonly insteadOf?: string | undefined }
  ) => Effect.Effect<Epoch, SessionTaken | StoreFailure>
  /** Makes a lease last until `lease` from now. */
  readonly renew: (session: string, epoch: Epoch, lease: Duration.Input) => Effect.Effect<void, Fenced | StoreFailure>
  /** Gives a session back, so that others need not wait. Of an owner that has lost it, this does nothing. */
  readonly release: (session: string, epoch: Epoch) => Effect.Effect<void, StoreFailure>
  /** The journal of a session, or a part of it. */
  readonly load: (session: string, options?: Part | undefined) => Effect.Effect<SessionJournal, StoreFailure>
  /**
   * Adds records to a journal: all of them, or none. It is refused when the session was claimed since, released or removed.
   * What the journal has of the cells in `forget` goes in the same step, but for what they have stored.
   *
   * After a `StoreFailure` other than `TooLarge`, the records may be there or not: claim the session again, and load it.
   */
  readonly append: (
    session: string,
    epoch: Epoch,
    records: ReadonlyArray<Record>,
    options?: { readonly forget?: ReadonlyArray<CellId> | undefined }
  ) => Effect.Effect<void, Fenced | StoreFailure>
  /** All sessions, by name. */
  readonly list: Effect.Effect<ReadonlyArray<SessionSummary>, StoreFailure>
  /**
   * Removes a session that is not owned, with all that was stored. `unchangedSince` keeps one that has changed after it. The
   * result is whether there is one less.
   */
  readonly remove: (
    session: string,
    options?: { readonly unchangedSince?: number | undefined }
  ) => Effect.Effect<boolean, SessionTaken | StoreFailure>
}
