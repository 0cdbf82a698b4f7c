/**
 * What the elements weigh that wait in an unbounded queue. The one who takes them out needs to know nothing of it.
 *
 * @internal
 */
import * as Queue from "effect/Queue"

/** Gives what everything in the queue weighs, together with an element that is about to be offered. */
export type QueueWeight = (weight: number) => number

/** Taken elements whose weights may stay where they are. */
const keptTaken = 1024

export const make = <A, E>(queue: Queue.Dequeue<A, E>): QueueWeight => {
  let weights: Array<number> = []
  let taken = 0
  let total = 0
  return (weight) => {
    const waiting = Queue.sizeUnsafe(queue)
    while (weights.length - taken > waiting) {
      total -= weights[taken++]!
    }
    if (taken > keptTaken && 2 * taken > weights.length) {
      weights = weights.slice(taken)
      taken = 0
    }
    weights.push(weight)
    total += weight
    return total
  }
}
