/**
 * Who looks at the sessions of this process while they go on: an inspector. It sees sources and values, which events do not
 * have. Without one it costs nothing.
 *
 * @internal
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Shape } from "../delegate/Shape.ts"
import type {
  ActivityEvent,
  CellError,
  CellId,
  CellKind,
  CellRequest,
  CellStatus,
  Lagged,
  Ledger,
  OutputItem,
  Settled,
  ToolCallId
} from "../Protocol.ts"
import type * as CellRef from "./CellRef.ts"

/** A session, as far as it is looked at. */
export interface Session {
  readonly activity: Stream.Stream<ActivityEvent, Lagged>
  readonly output: (cell: CellRef.Cell | CellRef.PausableCell) => Stream.Stream<OutputItem, unknown>
  readonly cells: Effect.Effect<
    ReadonlyArray<{
      readonly cell: CellRef.Cell | CellRef.PausableCell
      readonly status: CellStatus
      readonly busy: boolean
      readonly degraded: boolean
    }>
  >
  readonly awaitSettled: (id: CellId) => Effect.Effect<Settled, unknown>
  readonly ledger: (id: CellId) => Effect.Effect<Ledger, unknown>
  readonly storedValues: Effect.Effect<Readonly<Record<string, unknown>>>
  readonly terminate: (cell: CellRef.Cell | CellRef.PausableCell) => Effect.Effect<unknown, unknown>
  readonly yieldNow: (cell: CellRef.Cell) => Effect.Effect<void, unknown>
}

/** What hears of one session. */
export interface Looking {
  /** The delegate of the session, looked at. */
  readonly around: (delegate: Shape) => Shape
  /**
   * The session is there, and has no cell yet. `processes` are those that its cells run in. The cells of one that `isKept` do
   * not end with it.
   */
  readonly begin: (
    session: Session,
    options: { readonly processes: () => ReadonlyArray<number>; readonly isKept: boolean }
  ) => Effect.Effect<void, never, Scope.Scope>
  /** A cell is there, and nothing of it was told. */
  readonly onCell: (cell: CellRef.Cell | CellRef.PausableCell, kind: CellKind, request: CellRequest) => void
  /** A tool call was made from this line of its cell's source. */
  readonly onLine: (cell: CellId, call: ToolCallId, tool: string, line: number) => void
  /** A cell has failed, and that is about to be told. */
  readonly onError: (cell: CellId, error: CellError) => void
}

/** Says that there will be a session of this name. */
export type Onlooker = (session: string) => Looking

export const Onlooker = Context.Reference<Onlooker | undefined>("effect-code-mode/session/Onlooker", {
  defaultValue: () => undefined
})
