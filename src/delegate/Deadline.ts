/**
 * A bound on time that can be stopped and goes on.
 *
 * @internal
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Monotonic from "../system/Monotonic.ts"

export class Deadline {
  private readonly clock: Clock.Clock
  private readonly runFork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  private readonly onOver: Effect.Effect<void>
  private left: number
  private since = 0
  /** Those that it waits for before it goes on. */
  private pauses = 0
  private timer: Fiber.Fiber<void> | undefined
  private isStopped = false

  /** `onOver` is called once `limit` has gone by. It begins at once. */
  constructor(options: {
    readonly limit: Duration.Duration
    readonly clock: Clock.Clock
    readonly runFork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
    readonly onOver: () => void
  }) {
    this.clock = options.clock
    this.runFork = options.runFork
    this.left = Duration.toMillis(options.limit)
    this.onOver = Effect.sync(() => {
      this.isStopped = true
      options.onOver()
    })
    this.start()
  }

  /** Each pause ends with one `resume`. */
  pause(): void {
    if (this.pauses++ === 0 && this.timer !== undefined) {
      this.timer.interruptUnsafe()
      this.timer = undefined
      this.left -= Monotonic.millisUnsafe(this.clock) - this.since
    }
  }

  resume(): void {
    if (--this.pauses === 0) {
      this.start()
    }
  }

  /** It is never over, from here on. */
  stop(): void {
    this.isStopped = true
    this.timer?.interruptUnsafe()
  }

  private start(): void {
    if (!this.isStopped && Number.isFinite(this.left)) {
      this.since = Monotonic.millisUnsafe(this.clock)
      this.timer = this.runFork(Effect.andThen(Effect.sleep(Math.max(0, this.left)), this.onOver))
    }
  }
}
