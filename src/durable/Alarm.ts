/**
 * Wakes those who sleep until some time, all of a session with one fiber.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"

/** One who sleeps. */
export interface Sleeper {
  readonly wake: () => void
}

/** Clocks do not sleep for longer. */
const maxSleep = 2 ** 30

export class Alarm {
  private readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  private readonly sleepers = new Map<Sleeper, number>()
  private next = Infinity
  private timer: Fiber.Fiber<void> | undefined

  constructor(fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>) {
    this.fork = fork
  }

  /** Wakes one at a time, in milliseconds since 1970. */
  set(sleeper: Sleeper, due: number): void {
    this.sleepers.set(sleeper, due)
    if (due < this.next) {
      this.next = due
      this.timer?.interruptUnsafe()
      this.timer = this.fork(this.waitForNext)
    }
  }

  delete(sleeper: Sleeper): void {
    this.sleepers.delete(sleeper)
  }

  private get waitForNext(): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.andThen(
        Effect.sleep(Math.min(Math.max(this.next - now, 0), maxSleep)),
        Effect.suspend(() => this.ring)
      ))
  }

  private get ring(): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const awake: Array<Sleeper> = []
      this.next = Infinity
      for (const [sleeper, due] of this.sleepers) {
        if (due <= now) {
          this.sleepers.delete(sleeper)
          awake.push(sleeper)
        } else {
          this.next = Math.min(this.next, due)
        }
      }
      awake.forEach((sleeper) => sleeper.wake())
      if (this.next === Infinity) {
        this.timer = undefined
        return Effect.void
      }
      return this.waitForNext
    })
  }
}
