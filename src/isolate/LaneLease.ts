/**
 * A session's lanes: its cells run on one of its own, and move on when that takes no more of them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Lease } from "../Isolate.ts"
import * as LaneCell from "./LaneCell.ts"
import type { LanePool } from "./LanePool.ts"
import type { LaneProcess } from "./LaneProcess.ts"

/**
 * Makes a lease that lives as long as its scope. `onReady` runs before each cell that starts.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(pool: LanePool, onReady: (lane: LaneProcess) => Effect.Effect<void>) {
  /** The lanes it holds, each with what stops its cells there. All but the current one leave with their last cell. */
  const lanes = new Map<LaneProcess, Set<() => void>>()
  let current: LaneProcess | undefined
  let closed = false

  const leave = (lane: LaneProcess) => {
    if (lanes.delete(lane)) {
      pool.release(lane)
    }
  }

  const leaveIfDone = (lane: LaneProcess) => {
    if (lane !== current && lanes.get(lane)?.size === 0) {
      leave(lane)
    }
  }

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closed = true
      for (const [lane, stops] of lanes) {
        stops.forEach((stop) => stop())
        leave(lane)
      }
    })
  )

  /** May throw. */
  const findLane = (): LaneProcess => {
    if (closed) {
      throw new Error("the engine's lease is closed")
    }
    const before = current
    if (before?.isOpen() === true && !(pool.isShared(before) && pool.hasRoom())) {
      return before
    }
    const lane = pool.acquireUnsafe()
    if (lanes.has(lane)) {
      pool.release(lane)
    } else {
      lanes.set(lane, new Set())
    }
    current = lane
    if (before !== undefined) {
      leaveIfDone(before)
    }
    return lane
  }

  const findPlace = (): LaneCell.Place => {
    const lane = findLane()
    return {
      lane,
      isDegraded: () => pool.isShared(lane),
      onOpen: (stop) => void lanes.get(lane)?.add(stop),
      onClose: (stop) => {
        lanes.get(lane)?.delete(stop)
        leaveIfDone(lane)
      }
    }
  }

  const lease: Lease = {
    start: (program) => LaneCell.start(program, findPlace, onReady),
    processes: () => Array.from(lanes.keys()).flatMap(({ pid }) => pid ?? [])
  }
  return lease
})
