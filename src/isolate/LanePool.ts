/**
 * The lanes of an engine: how many there are, who holds which, and what they may take together.
 *
 * A few lanes that have run nothing yet are held ready. A lane serves one holder and never comes back; only when there
 * may be no more of them, it is shared. While there are few, a holder may have a second one.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { availableParallelism } from "node:os"
import * as Platform from "../system/Platform.ts"
import { Meter } from "../telemetry/Meter.ts"
import * as Visible from "../text/Visible.ts"
import * as Cgroup from "./Cgroup.ts"
import * as Confinement from "./Confinement.ts"
import * as FirstLane from "./FirstLane.ts"
import * as LaneChild from "./LaneChild.ts"
import * as LaneProcess from "./LaneProcess.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface LanePool {
  /** A lane for one more holder, possibly still starting. It is killed with the pool if not before. May throw. */
  readonly acquireUnsafe: () => LaneProcess.LaneProcess
  /**
   * One more lane for a holder that has one, possibly still starting, if nobody else is likely to miss it. It is for what
   * would wait: behind a `burst` of cells, which is over before one is started, or as long as others are `busy`.
   */
  readonly acquireSecond: (behind: "burst" | "busy") => LaneProcess.LaneProcess | undefined
  /** The last holder's end is the lane's. */
  readonly release: (lane: LaneProcess.LaneProcess) => void
  /** Whether a holder would get a lane of its own. */
  readonly hasRoom: () => boolean
  /** Whether a lane has several holders. */
  readonly isShared: (lane: LaneProcess.LaneProcess) => boolean
  /** What the operating system adds to the confinement of lanes, in words, once it has done so. */
  readonly levels: Effect.Effect<ReadonlyArray<string>>
  /** How many processors there are for lanes. */
  readonly processors: number
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly warmLanes: number
  readonly warmIsolates: number
  readonly maxLanes: number
  readonly strictIsolation: boolean
  readonly maxMemoryBytes: number
  readonly killAfterMillis: number
  readonly codeGeneration: boolean
  /** Those that there are, unless given. */
  readonly processors?: number | undefined
  /** What is started as a lane, where it is to be another program. May throw. */
  readonly launch?: ((confinement: Confinement.Confinement) => LaneChild.LaneChild) | undefined
}

// Starting a process takes this one a few milliseconds, and both processors, which the first cell of the taken lane
// would wait for: it may have been taken before it was ready.
const refillMillis = 50
/** How often memory is counted, and how long the end of lanes is waited for. */
const countMillis = 250
const endMillis = 10
const endAttempts = 50

/**
 * With so many cells no lane is held ready, whose memory is that of some thirty of them, until there are half as many
 * again. Who needs one has to wait for it then.
 */
const crowdedCells = 128

/** What a second lane may come to hold, with its cells. */
const secondBytes = 128 * 2 ** 20

const inMebibytes = (bytes: number) => Math.ceil(bytes / 2 ** 20)

/** A group can go once its processes are gone, which takes them a moment. */
const removeGroup = (cgroup: Cgroup.Cgroup) =>
  Effect.sync(cgroup.remove).pipe(
    Effect.tap((isGone) => isGone ? Effect.void : LaneProcess.pause(endMillis, { hold: true })),
    Effect.repeat({ until: (isGone) => isGone, times: endAttempts })
  )

/**
 * Makes a pool. Its first lanes start in the background, and so do those that replace a taken one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<LanePool, never, Scope.Scope> {
  const alive = new Set<LaneProcess.LaneProcess>()
  const holders = new Map<LaneProcess.LaneProcess, number>()
  // Each of them makes room for one more that waits, and there is no room for more than these.
  const taken = yield* Queue.sliding<LaneProcess.LaneProcess>(Math.max(1, options.warmLanes))
  const context = yield* Effect.context<never>()
  const runFork = Effect.runForkWith(context)
  const meter = new Meter(context)
  const processors = options.processors ?? availableParallelism()
  const isUsed = Latch.makeUnsafe()
  let warm: Array<LaneProcess.LaneProcess> = []
  let closed = false
  let memory = 0
  let isCrowded = false
  /** Lanes that the kernel has ended, as far as it was said why. */
  let kills = 0
  let cgroup: Cgroup.Cgroup | undefined
  let confinement: Confinement.Confinement | undefined
  let program: LaneChild.Program | undefined

  /** May throw. */
  const findProgram = () => program ??= LaneChild.findProgram(options)

  // Later there may be no file descriptor left to look with.
  yield* Effect.ignore(Effect.try(findProgram))

  /** Why a lane has ended that was not ended here, if it was the kernel: it ends as many as it counts. */
  const findLimit = () => {
    if ((cgroup?.kills() ?? 0) <= kills) {
      return undefined
    }
    kills++
    return `the host's lanes held all of their ${
      inMebibytes(options.maxMemoryBytes)
    } MiB, and the system has ended this one, whose script is the likely cause`
  }

  const start = () => {
    if (closed) {
      throw new Error("the engine is closed")
    }
    const program = findProgram()
    const first = options.launch === undefined ? FirstLane.take(program) : undefined
    if (confinement === undefined) {
      // Without any, a system looks as if it had nothing to confine lanes with.
      LaneChild.requireDescriptors()
      cgroup = Platform.here.hasConfinement ? Cgroup.make(options.maxMemoryBytes) : undefined
      confinement = Confinement.make(
        first === undefined ? Confinement.findSetpriv(program.files) : first.setpriv,
        cgroup
      )
    }
    if (first?.child.pid !== undefined) {
      confinement.adopt(first.child.pid)
    }
    const child = first?.child ?? options.launch?.(confinement) ?? LaneChild.start(program, confinement)
    const lane = LaneProcess.make(child, {
      killAfterMillis: options.killAfterMillis,
      findLimit,
      onGone: (how) => {
        meter.laneEnded(how)
        alive.delete(lane)
        holders.delete(lane)
        warm = warm.filter((other) => other !== lane)
      },
      onBroken: (what) => {
        runFork(
          Effect.logWarning(Visible.line(`code mode lane ${child.pid} broke its contract and was ended: ${what}`))
        )
      }
    })
    meter.laneStarted()
    alive.add(lane)
    return lane
  }

  // Where no lane can be started, the one who needs it hears of it.
  const refill = Effect.ignoreCause(Effect.sync(() => {
    if (!isCrowded && warm.length < options.warmLanes) {
      warm.push(start())
    }
  }))

  const takeFresh = () => {
    const lane = warm.shift() ?? start()
    Queue.offerUnsafe(taken, lane)
    return lane
  }

  // ---------------------------------------------------------------------------
  // Who holds which
  // ---------------------------------------------------------------------------

  const hasRoom = () => memory <= options.maxMemoryBytes && holders.size < options.maxLanes

  const leastLoaded = (isOpen: boolean): LaneProcess.LaneProcess | undefined =>
    Array.from(holders.keys()).filter((lane) => lane.isOpen() === isOpen).toSorted((a, b) => a.size() - b.size())[0]

  const choose = (): LaneProcess.LaneProcess => {
    if (hasRoom()) {
      return takeFresh()
    }
    const retired = leastLoaded(false)
    if (retired !== undefined) {
      retired.kill(
        `the script's process took no more cells, and none of the ${options.maxLanes} that there may be was free: its place `
          + "was needed"
      )
      return takeFresh()
    }
    const shared = leastLoaded(true)!
    if (!options.strictIsolation) {
      return shared
    }
    if (shared.size() > 0) {
      throw new Error(`all ${options.maxLanes} lanes have cells, and none may be shared`)
    }
    // Its holder has no cell, and gets another lane for the next one.
    shared.kill()
    return takeFresh()
  }

  const give = (lane: LaneProcess.LaneProcess) => {
    holders.set(lane, (holders.get(lane) ?? 0) + 1)
    lane.hold(true)
    isUsed.openUnsafe()
    return lane
  }

  const acquireUnsafe = () => {
    if (memory > options.maxMemoryBytes) {
      throw new Error(
        `the host and its lanes hold ${inMebibytes(memory)} MiB of ${inMebibytes(options.maxMemoryBytes)}`
      )
    }
    return give(choose())
  }

  /** Half of the lanes, and the memory of one, are kept for those who have none. */
  const mayHaveSecond = () =>
    !closed
    && !options.strictIsolation
    && !isCrowded
    && 2 * holders.size < options.maxLanes
    && memory + secondBytes <= options.maxMemoryBytes

  /** Where there are as many lanes as processors, one more begins with no more cells. */
  const mayHelpBurst = () => warm[0]?.isReady() === true && holders.size < processors

  const acquireSecond = (behind: "burst" | "busy") => {
    if (!mayHaveSecond() || (behind === "burst" && !mayHelpBurst())) {
      return undefined
    }
    try {
      return give(takeFresh())
    } catch {
      // None can be started now, and there is one to go on with.
      return undefined
    }
  }

  const release = (lane: LaneProcess.LaneProcess) => {
    const others = (holders.get(lane) ?? 0) - 1
    if (others > 0) {
      holders.set(lane, others)
    } else {
      lane.kill()
    }
  }

  // ---------------------------------------------------------------------------
  // What they take together
  // ---------------------------------------------------------------------------

  const crowd = Effect.suspend(() => {
    const cells = Array.from(holders.keys()).reduce((sum, lane) => sum + lane.size(), 0)
    if (!isCrowded && cells >= crowdedCells) {
      isCrowded = true
      warm.forEach((lane) => lane.kill())
    } else if (isCrowded && cells < crowdedCells / 2) {
      isCrowded = false
      return Effect.replicateEffect(refill, options.warmLanes, { discard: true })
    }
    return Effect.void
  })

  /** Ends the largest lane where that helps, which it does not where this process alone holds too much. */
  const count = Effect.sync(() => {
    const own = process.memoryUsage.rss()
    const lanes = Array.from(alive, (lane) => ({ lane, bytes: lane.memory() }))
    memory = own + lanes.reduce((sum, { bytes }) => sum + bytes, 0)
    const [largest] = lanes.filter(({ lane }) => lane.size() > 0).toSorted((a, b) => b.bytes - a.bytes)
    if (memory > options.maxMemoryBytes && own < options.maxMemoryBytes && largest !== undefined) {
      largest.lane.kill(
        `the script's process held ${inMebibytes(largest.bytes)} MiB, more than any other, of the ${
          inMebibytes(memory)
        } MiB that the host and its lanes held, past their limit of ${
          inMebibytes(options.maxMemoryBytes)
        } MiB: it is the likely cause`
      )
      memory -= largest.bytes
    }
    if (holders.size === 0) {
      isUsed.closeUnsafe()
      memory = 0
    }
  })

  yield* Effect.forkScoped(
    Effect.forever(
      isUsed.await.pipe(Effect.andThen(LaneProcess.pause(countMillis)), Effect.andThen(crowd), Effect.andThen(count))
    )
  )

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      closed = true
      alive.forEach((lane) => lane.kill())
      return cgroup === undefined ? Effect.void : removeGroup(cgroup)
    })
  )

  yield* Effect.yieldNow.pipe(
    Effect.andThen(Effect.replicateEffect(refill, options.warmLanes, { discard: true })),
    Effect.andThen(
      Effect.forever(
        Queue.take(taken).pipe(
          Effect.flatMap((lane) => Effect.ignore(lane.ready)),
          Effect.andThen(LaneProcess.pause(refillMillis)),
          Effect.andThen(refill)
        )
      )
    ),
    Effect.forkScoped
  )

  return {
    acquireUnsafe,
    acquireSecond,
    release,
    hasRoom,
    isShared: (lane) => (holders.get(lane) ?? 0) > 1,
    levels: Effect.callback((resume) =>
      confinement === undefined
        ? resume(Effect.succeed([]))
        : confinement.levels((levels) => resume(Effect.succeed(levels)))
    ),
    processors
  }
})
