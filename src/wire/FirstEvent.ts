/**
 * The first event of a cell that was made under a key, for a client that asks for it once more.
 *
 * @internal
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type CellId, type CellRequest, MissingCell } from "../Protocol.ts"
import type { SessionRuntime } from "../Runtime.ts"

/** The session knows the request again, and makes no other cell. */
export const observe = (
  runtime: SessionRuntime["Service"],
  cellId: CellId,
  request: CellRequest,
  yieldAfter: Duration.Duration
) =>
  runtime.execute(request, { yieldAfter }).pipe(
    Effect.mapError(() => new MissingCell({ cellId, finished: true })),
    Effect.flatMap(({ initial }) => initial)
  )
