/**
 * An effect that several wait for at the same time and that runs once. What it gave is there for those who come later.
 * Where it fails, or the last of those who wait goes away before it is done, the next one starts it anew. The last one
 * interrupts it, and goes when it has ended.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"

export type Fork = <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>

export const make = <A, E>(effect: Effect.Effect<A, E>, fork: Fork): Effect.Effect<A, E> => {
  let running: Fiber.Fiber<A, E> | undefined
  let waiting = 0

  return Effect.suspend(() => {
    const fiber = running ??= fork(effect)
    waiting++
    return Fiber.join(fiber).pipe(
      Effect.onExit((exit) =>
        Effect.suspend(() => {
          waiting--
          if (Exit.isSuccess(exit) || waiting > 0) {
            return Effect.void
          }
          running = undefined
          return Fiber.interrupt(fiber)
        })
      )
    )
  })
}
