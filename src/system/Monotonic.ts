/**
 * Time that only goes on, whatever is set: for how long something takes. What it counts from means nothing.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds, and parts of them. */
export const millisUnsafe = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

export const millis: Effect.Effect<number> = Effect.map(Clock.Clock, millisUnsafe)
