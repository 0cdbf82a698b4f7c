/**
 * What no event tells, looked at while a page is open: what processes take, and what live cells do.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Latch from "effect/Latch"
import * as ProcessMetrics from "../system/ProcessMetrics.ts"
import type * as Model from "./Model.ts"
import type * as PageMessage from "./PageMessage.ts"

const every = "500 millis"
/** Processes are looked at once in so many rounds. */
const rounds = 2

interface Before {
  readonly at: number
  readonly cpuSeconds: number
}

/** What processes take: their processors since they were looked at last. */
const makeMeter = () => {
  let before = new Map<number, Before>()
  return (pids: ReadonlyArray<number>, at: number): ReadonlyMap<number, PageMessage.LoadView> => {
    const now = new Map<number, Before>()
    const loads = new Map<number, PageMessage.LoadView>()
    for (const pid of pids) {
      const { cpuSeconds, residentBytes } = ProcessMetrics.ofProcess(pid)
      const last = before.get(pid)
      const seconds = last === undefined ? 0 : (at - last.at) / 1000
      const cores = seconds > 0 ? Math.max(0, cpuSeconds - last!.cpuSeconds) / seconds : 0
      now.set(pid, { at, cpuSeconds })
      loads.set(pid, { pid, memoryBytes: residentBytes, cores: Math.round(cores * 100) / 100 })
    }
    before = now
    return loads
  }
}

const isAlike = (a: ReadonlyArray<PageMessage.LoadView>, b: ReadonlyArray<PageMessage.LoadView>) =>
  a.length === b.length &&
  a.every((load, index) =>
    load.pid === b[index]!.pid && load.cores === b[index]!.cores && load.memoryBytes === b[index]!.memoryBytes
  )

const lookAtCells = (model: Model.Model, session: Model.Session) =>
  session.live === undefined ? Effect.void : Effect.map(session.live.runtime.cells, (cells) => {
    for (const { busy, cell, degraded, status } of cells) {
      const known = session.cells.get(cell.id)
      if (known !== undefined && status !== "Settled") {
        model.cellStands(known, status, busy, degraded)
      }
    }
  })

/** Looks, as long as `isWatched` is open. */
export const run = (
  model: Model.Model,
  isWatched: Latch.Latch,
  onLoad: (load: PageMessage.LoadView) => void
): Effect.Effect<never> =>
  Effect.suspend(() => {
    const meter = makeMeter()
    let round = 0

    const look = Effect.gen(function*() {
      const live = Array.from(model.sessions.values()).filter((session) => session.live !== undefined)
      yield* Effect.forEach(live, (session) => lookAtCells(model, session), { discard: true })
      if (round++ % rounds !== 0) {
        return
      }
      const pids = new Map(live.map((session) => [session, session.live?.processes() ?? []]))
      const loads = meter([process.pid, ...new Set(Array.from(pids.values()).flat())], yield* Clock.currentTimeMillis)
      onLoad(loads.get(process.pid)!)
      for (const [session, ids] of pids) {
        const lanes = ids.flatMap((pid) => loads.get(pid) ?? [])
        if (!isAlike(session.lanes, lanes)) {
          session.lanes = lanes
          model.sessionChanged(session)
        }
      }
    })

    return isWatched.await.pipe(
      Effect.andThen(look),
      Effect.andThen(Effect.sleep(every)),
      Effect.forever
    )
  })
