/**
 * When a lane is crowded, so that a session's next cell had better run on another one.
 *
 * @since 0.1.0
 */
import type { LaneProcess } from "./LaneProcess.ts"

/**
 * What is told of lanes of a machine.
 *
 * @category models
 * @since 0.1.0
 */
export interface Crowd {
  /** Whether its busy cells leave the next one less than a processor. */
  readonly isBusy: (lane: LaneProcess) => boolean
  /** Whether the next cell would have to wait there. */
  readonly isCrowded: (lane: LaneProcess) => boolean
  /**
   * Whether the next cell would wait less on this one than on a crowded one. Two lanes of busy cells take turns by slices of
   * time, for which it would wait more than for the busy threads of its own lane.
   */
  readonly isBetter: (lane: LaneProcess, crowded: LaneProcess) => boolean
}

/**
 * A lane begins with one cell after the other, and takes some 2 ms for each. To start one more takes 30 ms of processor time, so
 * it has to be a longer queue than that.
 */
const waitingCells = 16

/** One busy cell does not keep the lane itself from a processor for long, even where there is no other. */
const leastBusyCells = 2

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = (processors: number): Crowd => {
  const busyCells = Math.max(leastBusyCells, processors)
  const isBusy = (lane: LaneProcess) => lane.busy() >= busyCells
  return {
    isBusy,
    isCrowded: (lane) => isBusy(lane) || lane.waiting() >= waitingCells,
    isBetter: (lane, crowded) => isBusy(crowded) ? lane.busy() === 0 : lane.waiting() < crowded.waiting()
  }
}
