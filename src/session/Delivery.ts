/**
 * How an event of a cell gets to the caller that waits for it. It counts as heard once it was delivered: one whose delivery is
 * interrupted goes back to the cell.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

export const Delivery = Context.Reference<(event: unknown) => Effect.Effect<void>>("effect-code-mode/Delivery", {
  defaultValue: () => () => Effect.void
})
