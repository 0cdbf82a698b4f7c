/**
 * Watches the memory of the lane's process, much of which V8 counts for no isolate: `Intl` objects, what one builtin
 * allocates, backing stores.
 *
 * There is no telling whose such memory is. So the process may hold what it held without cells, what ended ones left behind, and
 * for every live cell, and for a moment one that has ended, what V8 counts for it, or could while it computes. Past
 * that, the cell that computed most has to end.
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
  /** Time for the cell to see what has become of it since the last look. */
  readonly inspect: () => void
  readonly endAtLimit: (text: string) => void
}

export interface WatchdogLane {
  readonly cells: () => Iterable<Watched>
  /** Cells that have ended and of which something still runs. */
  readonly leaving: () => number
  /** The process has given a cell memory that it may not get back, and is not good for more of them. */
  readonly onStained: () => void
  /** The process has to end: what fills it cannot be stopped. */
  readonly onOverrun: (text: string) => void
}

const mebibyte = 2 ** 20
const periodMillis = 25
/** How long a cell that was ended may take to stop, and how long if the process is not far over its bound. */
const overrunMillis = 150
const patientMillis = 1_500
/** What is far over, in heaps of that cell. */
const farOverHeaps = 2.5
const slackBytes = 64 * mebibyte
/** What an isolate needs besides its heap. */
const isolateBytes = 8 * mebibyte
/** V8 moves the live part of a heap while it collects the rest. */
const bytesPerHeapByte = 2
/** How long the memory of a cell that has ended may take to come back. */
const departureMillis = 500
/** What ended cells may leave behind before the process is not good for more of them. */
const stainBytes = 256 * mebibyte

interface Use {
  turns: number
  bytes: number
  cpuTime: bigint
  cpuTimeSince: bigint
}

export const makeWatchdog = (lane: WatchdogLane) => {
  const bareBytes = process.memoryUsage.rss()
  let grantedBytes = bareBytes
  let timer: NodeJS.Timeout | undefined
  let overSince: number | undefined
  let farOverBytes = 0
  let overrun = false
  let uses = new Map<Watched, Use>()
  /** Cells that came and went between two looks. */
  let unseen: Array<Watched> = []
  const blamed = new WeakSet<Watched>()
  /** What cells that ended a moment ago may still hold: as much as the largest of them. */
  let departedBytes = 0
  let departedUntil = 0

  const most = (cell: Watched) => cell.heapMebibytes * mebibyte * bytesPerHeapByte

  const depart = (gone: ReadonlyArray<Watched>) => {
    const now = performance.now()
    const bytes = Math.max(0, ...gone.filter((cell) => !blamed.has(cell)).map(most))
    if (bytes > 0) {
      departedBytes = now < departedUntil ? Math.max(departedBytes, bytes) : bytes
      departedUntil = now + departureMillis
    }
  }

  /** Looks at every live cell; says whether one has ended since the last look. */
  const look = (cells: ReadonlyArray<Watched>): boolean => {
    const before = uses
    uses = new Map()
    for (const cell of cells) {
      const use = before.get(cell)
      const cpuTime = cell.cpuTime()
      uses.set(cell, {
        turns: use?.turns ?? -1,
        bytes: use?.bytes ?? 0,
        cpuTime,
        cpuTimeSince: cpuTime - (use?.cpuTime ?? 0n)
      })
    }
    const gone = [...before.keys()].filter((cell) => !uses.has(cell)).concat(unseen)
    unseen = []
    depart(gone)
    return gone.length > 0
  }

  /** What a cell may hold. */
  const allowance = ([cell, use]: [Watched, Use]): number => {
    if (cell.isBusy()) {
      return most(cell)
    }
    const turns = cell.turns()
    if (use.turns === turns) {
      return Math.min(use.bytes, most(cell)) + isolateBytes
    }
    cell.heapBytes().then((bytes) => uses.has(cell) && uses.set(cell, { ...uses.get(cell)!, turns, bytes }), () => {})
    return most(cell)
  }

  const tick = () => {
    timer = undefined
    const resident = process.memoryUsage.rss()
    Array.from(lane.cells()).forEach((cell) => cell.inspect())
    const cells = [...lane.cells()]
    const ended = look(cells)
    const allowed = Array.from(uses, allowance).reduce((sum, bytes) => sum + bytes, 0)
    const isAtRest = lane.leaving() === 0 && !cells.some((cell) => cell.isBusy())
    if (isAtRest && (ended || cells.length === 0)) {
      grantedBytes = Math.max(bareBytes, resident - allowed)
    }
    if (grantedBytes > bareBytes + stainBytes) {
      lane.onStained()
    }
    if (!isAtRest) {
      timer = setTimeout(tick, periodMillis)
    }
    check(resident, allowed)
  }

  const check = (resident: number, allowed: number) => {
    const departed = performance.now() < departedUntil ? departedBytes : 0
    const bound = grantedBytes + slackBytes + allowed + departed
    if (resident <= bound) {
      overSince = undefined
    } else if (overSince === undefined) {
      overSince = performance.now()
      endGreediest(resident)
    } else if (lane.leaving() === 0) {
      // The cell that had it is gone. What the process could not give back does no harm as long as it does not grow.
      grantedBytes = resident - allowed
      overSince = undefined
      lane.onStained()
    } else if (performance.now() - overSince > (resident > bound + farOverBytes ? overrunMillis : patientMillis)) {
      overrun = true
      clearTimeout(timer)
      lane.onOverrun(
        "the session's other cells ended with this one's process: a script that could not be stopped "
          + `had filled ${inMebibytes(resident)} MiB, past its memory limit of ${inMebibytes(bound)} MiB`
      )
    }
  }

  const endGreediest = (resident: number) => {
    const [greediest] = Array.from(uses).toSorted(([, a], [, b]) => Number(b.cpuTimeSince - a.cpuTimeSince))
    if (greediest !== undefined) {
      const [cell] = greediest
      blamed.add(cell)
      farOverBytes = farOverHeaps * cell.heapMebibytes * mebibyte
      // Before its end is told: what comes next is not to start where it may still run.
      lane.onStained()
      cell.endAtLimit(
        `the script went past its memory limit of ${cell.heapMebibytes} MiB: its process held ${
          inMebibytes(resident)
        } MiB${uses.size > 1 ? ", and of its cells this one is the likely cause" : ""}`
      )
    }
    wake()
  }

  const wake = () => {
    if (timer === undefined && !overrun) {
      timer = setTimeout(tick, periodMillis)
    }
  }

  return {
    /** A cell begins to compute. */
    wake,
    /** A cell has ended. */
    onEnd: (cell: Watched) => {
      if (!uses.has(cell)) {
        unseen.push(cell)
      }
      wake()
    }
  }
}

const inMebibytes = (bytes: number) => Math.ceil(bytes / mebibyte)
