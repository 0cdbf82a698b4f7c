/**
 * Lanes that have run nothing yet, a few of them ready. A lane that was taken never comes back.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as LaneProcess from "./LaneProcess.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface LanePool {
  /** A lane that nobody else has, possibly still starting. It is killed with the pool if not before. May throw. */
  readonly takeUnsafe: () => LaneProcess.LaneProcess
}

/**
 * Makes a pool. Its first lanes start in the background, and so do those that replace a taken one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(options: {
  readonly warmLanes: number
  readonly warmIsolates: number
}): Effect.fn.Return<LanePool, never, Scope.Scope> {
  const alive = new Set<LaneProcess.LaneProcess>()
  const taken = yield* Queue.unbounded<void>()
  let warm: Array<LaneProcess.LaneProcess> = []
  let closed = false

  const start = () => {
    if (closed) {
      throw new Error("the engine is closed")
    }
    const lane = LaneProcess.start({
      warmIsolates: options.warmIsolates,
      onGone: () => {
        alive.delete(lane)
        warm = warm.filter((other) => other !== lane)
      }
    })
    alive.add(lane)
    return lane
  }

  const refill = Effect.sync(() => {
    if (warm.length < options.warmLanes) {
      warm.push(start())
    }
  })

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closed = true
      alive.forEach((lane) => lane.kill())
    })
  )
  yield* Effect.yieldNow.pipe(
    Effect.andThen(Effect.replicateEffect(refill, options.warmLanes, { discard: true })),
    // Starting a process takes this one a few milliseconds, which the first cell of the taken lane would wait for.
    Effect.andThen(Effect.forever(Queue.take(taken).pipe(Effect.andThen(LaneProcess.pause), Effect.andThen(refill)))),
    // Where no lane can be started, the one who needs it hears of it.
    Effect.ignoreCause,
    Effect.forkScoped
  )

  return {
    takeUnsafe: () => {
      Queue.offerUnsafe(taken, undefined)
      return warm.shift() ?? start()
    }
  }
})
