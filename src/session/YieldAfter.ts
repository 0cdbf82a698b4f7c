/**
 * How long an observation waits for something to tell.
 *
 * @internal
 */
import * as Duration from "effect/Duration"

/** Without a time, it waits for as long as it takes. */
export const of = (options: { readonly yieldAfter?: Duration.Input | undefined } | undefined): Duration.Duration =>
  options?.yieldAfter === undefined ? Duration.infinity : Duration.fromInputUnsafe(options.yieldAfter)
