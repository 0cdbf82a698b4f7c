/**
 * Watches the memory of the lane's process, much of which V8 counts for no isolate: `Intl` objects, what one builtin
 * allocates, backing stores.
 *
 * Nobody knows whose such memory is. So what the process holds while no cell computes is taken for granted, every cell
 * that computes may add what its heap can make of it, and past that the one that computes most has to end.
 *
 * @since 0.1.0
 */

/** A cell as the watchdog sees it. */
export interface Watched {
  readonly heapMebibytes: number
  readonly isBusy: () => boolean
  /** Counts the cell's turns. */
  readonly turns: () => number
  /** What V8 counts for it, in bytes. Asked of a cell that is not busy. */
  readonly heapBytes: () => Promise<number>
  /** Processor time it has used, in nanoseconds. */
  readonly cpuTime: () => bigint
  readonly endAtLimit: (text: string) => void
}

export interface WatchdogLane {
  readonly cells: () => Iterable<Watched>
  /** Cells that have ended and of which something still runs. */
  readonly leaving: () => number
  /** The process has given memory to a cell that is gone, and not got it back. */
  readonly onStained: () => void
  /** The process has to end: what fills it cannot be stopped. */
  readonly onOverrun: (text: string) => void
}

const mebibyte = 2 ** 20
const periodMillis = 25
const overrunMillis = 150
const slackBytes = 64 * mebibyte
/** V8 moves the live part of a heap while it collects the rest. */
const bytesPerHeapByte = 2

interface Use {
  turns: number
  bytes: number
  cpuTime: bigint
  cpuTimeSince: bigint
}

export const makeWatchdog = (lane: WatchdogLane) => {
  let timer: NodeJS.Timeout | undefined
  let grantedBytes = process.memoryUsage.rss()
  let overSince: number | undefined
  let ended = false
  const uses = new Map<Watched, Use>()

  /** What a cell that has computed since the process was last at rest may hold. */
  const allowance = (cell: Watched): number => {
    const use = uses.get(cell) ?? { turns: -1, bytes: 0, cpuTime: 0n, cpuTimeSince: 0n }
    uses.set(cell, use)
    const cpuTime = cell.cpuTime()
    use.cpuTimeSince = cpuTime - use.cpuTime
    use.cpuTime = cpuTime
    const turns = cell.turns()
    if (!cell.isBusy() && use.turns !== turns) {
      cell.heapBytes().then((bytes) => {
        use.turns = turns
        use.bytes = bytes
      }, () => {})
    }
    const most = cell.heapMebibytes * mebibyte * bytesPerHeapByte
    return cell.isBusy() || use.turns !== turns ? most : Math.min(use.bytes, most)
  }

  const tick = () => {
    timer = undefined
    const resident = process.memoryUsage.rss()
    const cells = [...lane.cells()]
    const busy = cells.filter((cell) => cell.isBusy())
    if (busy.length === 0 && lane.leaving() === 0) {
      grantedBytes = resident
      overSince = undefined
      uses.clear()
      return
    }
    timer = setTimeout(tick, periodMillis)
    for (const cell of uses.keys()) {
      if (!cells.includes(cell)) {
        uses.delete(cell)
      }
    }
    busy.forEach((cell) => uses.has(cell) || allowance(cell))
    const allowed = Array.from(uses.keys(), allowance).reduce((sum, bytes) => sum + bytes, 0)
    const bound = grantedBytes + slackBytes + allowed
    if (resident <= bound) {
      overSince = undefined
    } else if (overSince === undefined) {
      overSince = performance.now()
      endGreediest(busy, resident)
    } else if (lane.leaving() === 0) {
      // Whoever had it is gone. What the process could not give back hurts nobody as long as it does not grow.
      grantedBytes = resident - allowed
      overSince = undefined
      lane.onStained()
    } else if (performance.now() - overSince > overrunMillis) {
      ended = true
      clearTimeout(timer)
      lane.onOverrun(
        "the session's other cells ended with this one's process: a script that could not be stopped "
          + `had filled ${inMebibytes(resident)} MiB, past its memory limit of ${inMebibytes(bound)} MiB`
      )
    }
  }

  const endGreediest = (busy: ReadonlyArray<Watched>, resident: number) => {
    const since = (cell: Watched) => uses.get(cell)?.cpuTimeSince ?? 0n
    const [greediest] = busy.toSorted((a, b) => Number(since(b) - since(a)))
    greediest?.endAtLimit(
      `the script went past its memory limit of ${greediest.heapMebibytes} MiB: its process held ${
        inMebibytes(resident)
      } MiB`
    )
  }

  return {
    /** A cell begins to compute. */
    wake: (): void => {
      if (timer === undefined && !ended) {
        timer = setTimeout(tick, periodMillis)
      }
    }
  }
}

const inMebibytes = (bytes: number) => Math.ceil(bytes / mebibyte)
