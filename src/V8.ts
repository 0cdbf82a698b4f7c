/**
 * The default engine: V8 isolates in lane processes.
 *
 * **Details**
 *
 * A session has a process of its own, a _lane_: a child process without files, network or environment, which is killed
 * when the session ends. Each cell has an isolate of its own in it. When a lane is lost, the cells in it end with
 * `IsolateLost`, and the session's next cell gets another lane. A session whose lane is crowded may have a second one as
 * long as that lasts. Past `maxLanes`, sessions share lanes, or their cells are refused with `IsolateFailure`.
 *
 * All times here are measured by the real clock, whatever clock the program has.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { Isolate } from "./Isolate.ts"
import * as FirstLane from "./isolate/FirstLane.ts"
import * as LaneLease from "./isolate/LaneLease.ts"
import * as LanePool from "./isolate/LanePool.ts"
import type { LaneProcess } from "./isolate/LaneProcess.ts"
import * as Memory from "./system/Memory.ts"

/**
 * The bounds of an engine, for all of its sessions together.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Lanes that wait for the next session, or for one whose lane is crowded; 1 by default. None does while there are 128 cells. */
  readonly warmLanes?: number | undefined
  /** Isolates that wait for the next cell, in each lane; 3 by default. */
  readonly warmIsolates?: number | undefined
  /** Lanes that are in use; a session has a second one only where half of them are free. 64 by default, or as many as `maxMemoryBytes` has room for at 128 MiB each. */
  readonly maxLanes?: number | undefined
  /** Whether cells are refused past `maxLanes` rather than run on a lane that others use, too; `false` by default. */
  readonly strictIsolation?: boolean | undefined
  /** Memory of this process and its lanes together; three quarters of the machine's, or container's. Needs Linux. */
  readonly maxMemoryBytes?: number | undefined
  /** How long a lane may go on with a cell that has ended before it takes no more cells; 2 seconds by default. */
  readonly laneKillAfter?: Duration.Input | undefined
  /** Whether cells have `eval` and `Function`; `true` by default. */
  readonly codeGeneration?: boolean | undefined
}

const mebibyte = 2 ** 20
const memoryShare = 0.75
const mostLanes = 64
const bytesPerLane = 128 * mebibyte

/**
 * Every option, with its default where it was not given.
 *
 * @category models
 * @since 0.1.0
 */
export const resolve = (options: Options): LanePool.Options => {
  const maxMemoryBytes = options.maxMemoryBytes ?? Math.floor(Memory.available() * memoryShare)
  return {
    warmLanes: options.warmLanes ?? 1,
    warmIsolates: options.warmIsolates ?? FirstLane.defaults.warmIsolates,
    maxLanes: Math.max(1, options.maxLanes ?? Math.min(mostLanes, Math.floor(maxMemoryBytes / bytesPerLane))),
    strictIsolation: options.strictIsolation ?? false,
    maxMemoryBytes,
    // No timer waits for longer.
    killAfterMillis: Math.min(Duration.toMillis(options.laneKillAfter ?? "2 seconds"), 2 ** 31 - 1),
    codeGeneration: options.codeGeneration ?? FirstLane.defaults.codeGeneration
  }
}

/** Says once for an engine how its lanes are confined, though it may end soon, and for each lane who it is. */
const makeAnnounce = Effect.fnUntraced(function*(pool: LanePool.LanePool) {
  const known = new WeakSet<LaneProcess>()
  let levelsTold: Fiber.Fiber<void> | undefined
  yield* Effect.addFinalizer(() => levelsTold === undefined ? Effect.void : Fiber.await(levelsTold))

  const announceLevels = Effect.flatMap(
    pool.levels,
    (levels) =>
      Effect.logInfo(`code mode lanes: ${levels.length > 0 ? levels.join(", ") : "nothing of the system holds them"}`)
  )

  const announce = Effect.fnUntraced(function*(lane: LaneProcess) {
    const user = yield* lane.ready
    levelsTold ??= yield* Effect.forkDetach(announceLevels, { startImmediately: true })
    if (user === "0") {
      yield* Effect.logWarning(`code mode lane ${lane.pid} runs as root`)
    }
    yield* Effect.logDebug(`code mode lane ${lane.pid} runs as user ${user ?? "unknown"}`)
  })

  return (lane: LaneProcess) => {
    if (known.has(lane)) {
      return Effect.void
    }
    known.add(lane)
    return Effect.ignore(announce(lane))
  }
})

/**
 * The engine as a layer. It starts its first lanes at once, and logs once how they are confined. Its end ends them.
 *
 * **Example** (No session shares a process with another one)
 *
 * ```ts
 * import * as V8 from "effect-code-mode/V8"
 *
 * const layer = V8.layer({ maxLanes: 16, strictIsolation: true })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Isolate> =>
  Layer.effect(
    Isolate,
    Effect.gen(function*() {
      const pool = yield* LanePool.make(resolve(options ?? {}))
      return Isolate.of({ lease: LaneLease.make(pool, yield* makeAnnounce(pool)) })
    })
  )
