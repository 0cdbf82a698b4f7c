/**
 * A request of a client, as far as it is the same over every wire: how long it takes, and that its observation may be asked
 * to answer before its time.
 *
 * @internal
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

export class TimedRequest {
  private readonly clock: Clock.Clock
  private readonly begun: bigint
  private isYieldRequested: boolean
  private yieldNow: Effect.Effect<void> = Effect.void

  constructor(clock: Clock.Clock, isYieldRequested = false) {
    this.clock = clock
    this.begun = clock.monotonicTimeNanosUnsafe()
    this.isYieldRequested = isYieldRequested
  }

  /** How long it has taken so far, in nanoseconds. */
  protected nanos(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe() - this.begun)
  }

  /** Makes the observation answer now, or as soon as it begins. */
  readonly requestYield: Effect.Effect<void> = Effect.suspend(() => {
    this.isYieldRequested = true
    return this.yieldNow
  })

  /** The observation begins. Gives whether it is to answer at once; from now on `yieldNow` makes it answer. */
  beginObserving(yieldNow: Effect.Effect<void>): boolean {
    this.yieldNow = yieldNow
    return this.isYieldRequested
  }
}
