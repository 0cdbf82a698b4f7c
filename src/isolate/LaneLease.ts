/**
 * A session's lanes: its cells run on one of its own, and move on when that takes no more of them.
 *
 * Where that one is crowded, what comes next runs on a second one, as long as there is a crowd.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Lease } from "../Isolate.ts"
import * as Crowd from "./Crowd.ts"
import * as LaneCell from "./LaneCell.ts"
import type { LanePool } from "./LanePool.ts"
import { type LaneProcess, pause } from "./LaneProcess.ts"

/** How often a lease looks whether it still needs a second lane. Crowds come in a row, and to start a lane takes processors. */
const lookMillis = 1_000

/**
 * Makes a lease that lives as long as its scope. `onReady` runs before each cell that starts.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(pool: LanePool, onReady: (lane: LaneProcess) => Effect.Effect<void>) {
  /** The lanes it holds, each with what stops its cells there. All but the next two leave with their last cell. */
  const lanes = new Map<LaneProcess, Set<() => void>>()
  let current: LaneProcess | undefined
  let second: LaneProcess | undefined
  const crowd = Crowd.make(pool.processors)
  const hasSecond = Latch.makeUnsafe()
  let closed = false

  const leave = (lane: LaneProcess) => {
    if (lanes.delete(lane)) {
      pool.release(lane)
    }
  }

  const leaveIfDone = (lane: LaneProcess) => {
    if (lane !== current && lane !== second && lanes.get(lane)?.size === 0) {
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

  const use = (lane: LaneProcess) => {
    const before = current
    current = lane
    if (before !== undefined) {
      leaveIfDone(before)
    }
    return lane
  }

  const setSecond = (lane: LaneProcess | undefined) => {
    const before = second
    second = lane
    if (lane === undefined) {
      hasSecond.closeUnsafe()
    } else {
      lanes.set(lane, new Set())
      hasSecond.openUnsafe()
    }
    if (before !== undefined) {
      leaveIfDone(before)
    }
  }

  /** The second one, if it can take cells. */
  const findSecond = () => second?.isOpen() === true && second.isReady() && !pool.isShared(second) ? second : undefined

  /** The second one takes the place of the first. */
  const promote = (lane: LaneProcess) => {
    use(lane)
    setSecond(undefined)
    return lane
  }

  /** May throw. */
  const findFirst = (): LaneProcess => {
    const before = current
    if (before?.isOpen() === true && !(pool.isShared(before) && pool.hasRoom())) {
      return before
    }
    const other = findSecond()
    if (other !== undefined) {
      return promote(other)
    }
    const lane = pool.acquireUnsafe()
    if (lanes.has(lane)) {
      pool.release(lane)
    } else {
      lanes.set(lane, new Set())
    }
    return use(lane)
  }

  /** May throw. */
  const findLane = (): LaneProcess => {
    if (closed) {
      throw new Error("the engine's lease is closed")
    }
    const first = findFirst()
    if (!crowd.isCrowded(first) || pool.isShared(first)) {
      return first
    }
    if (second?.isOpen() === false) {
      setSecond(undefined)
    }
    if (second === undefined) {
      setSecond(pool.acquireSecond(crowd.isBusy(first) ? "busy" : "burst"))
    }
    const other = findSecond()
    return other !== undefined && crowd.isBetter(other, first) ? other : first
  }

  /** Once the crowd is gone, one lane takes new cells, and an empty one is none that is kept. */
  const look = () => {
    const other = findSecond()
    if (current?.size() === 0 && (other?.size() ?? 0) > 0) {
      promote(other!)
    } else if (current === undefined || !crowd.isCrowded(current) || second?.isOpen() === false) {
      setSecond(undefined)
    }
  }

  yield* Effect.forkScoped(
    Effect.forever(hasSecond.await.pipe(Effect.andThen(pause(lookMillis)), Effect.andThen(Effect.sync(look))))
  )

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
