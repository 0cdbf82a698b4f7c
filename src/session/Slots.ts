/**
 * A bound on how many things of a session run at once; what is past it waits in the order it came.
 *
 * @internal
 */
export interface Slots {
  /** Runs `job` now, or when a slot is free. The result takes a job that still waits out of the queue. */
  readonly take: (job: () => void) => () => void
  /** Gives back the slot of a job that ran. */
  readonly give: () => void
}

export const make = (capacity: number): Slots => {
  const waiting = new Set<() => void>()
  let taken = 0
  let giving = false
  return {
    take: (job) => {
      if (taken < capacity) {
        taken++
        job()
        return () => {}
      }
      // A fresh function: the same job may wait twice.
      const entry = () => job()
      waiting.add(entry)
      return () => waiting.delete(entry)
    },
    give: () => {
      taken--
      // A job may end, and give its slot back, before it returns: the loop keeps that from growing the stack.
      if (giving) {
        return
      }
      giving = true
      for (const next of waiting) {
        if (taken >= capacity) {
          break
        }
        waiting.delete(next)
        taken++
        next()
      }
      giving = false
    }
  }
}
