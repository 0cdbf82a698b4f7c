/**
 * Whether an observation with a key ends with its caller, as one without a key does, rather than going on until there is an
 * event.
 *
 * @internal
 */
import * as Context from "effect/Context"

export const Attached = Context.Reference<boolean>("effect-code-mode/session/Attached", {
  defaultValue: () => false
})
