/**
 * Gives back memory of cells that wait. A tenth of what an isolate takes is garbage from when it was made, and V8
 * collects nothing where nothing happens.
 *
 * @since 0.1.0
 */

/** A cell whose memory can be compacted. */
export interface Compactable {
  readonly isBusy: () => boolean
  /** Counts the cell's turns. */
  readonly turns: () => number
  /** Takes some milliseconds, on another thread. */
  readonly compact: () => Promise<void>
}

/** How long a cell has done nothing by then, at least; twice as long at most. */
const quietMillis = 1_000

export const makeCompactor = (cells: () => Iterable<Compactable>) => {
  let timer: NodeJS.Timeout | undefined
  /** The turns of each cell at the last look, and when it was compacted. */
  const seen = new WeakMap<Compactable, number>()
  const done = new WeakMap<Compactable, number>()

  const isDue = (cell: Compactable) => {
    const turns = cell.turns()
    const isQuiet = !cell.isBusy() && seen.get(cell) === turns
    seen.set(cell, turns)
    return isQuiet && done.get(cell) !== turns
  }

  // One after the other: their host may have something else to do.
  const look = async () => {
    for (const cell of Array.from(cells()).filter(isDue)) {
      done.set(cell, cell.turns())
      // It may have ended meanwhile.
      await cell.compact().catch(() => {})
    }
    timer = undefined
    if (Array.from(cells()).some((cell) => done.get(cell) !== cell.turns())) {
      wake()
    }
  }

  /** A cell begins to compute. */
  const wake = () => {
    timer ??= setTimeout(look, quietMillis)
  }

  return { wake }
}
