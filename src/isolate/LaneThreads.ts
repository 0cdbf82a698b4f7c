/**
 * The threads of a lane: one speaks to its host, the others compute.
 *
 * @since 0.1.0
 */
import { readdirSync } from "node:fs"
import { getPriority, setPriority } from "node:os"
import * as Platform from "../system/Platform.ts"

/** How much less those that compute get, as a nice value. A far lower one keeps the next cell's thread waiting, too. */
const less = 5
const lowest = 19

/** A lane has some thirty. One that has far more is no lane that there is something to do for. */
const mostThreads = 256

/**
 * Lets the threads that compute get less of the processors than the one that speaks to us, as far as the system has threads with
 * a priority of their own. It is never raised again, which needs privileges.
 *
 * To be called of a process that has not been waited for, as its number is another one's then.
 *
 * @category constructors
 * @since 0.1.0
 */
export const favourBridge = (pid: number): void => {
  if (!Platform.here.hasProc) {
    return
  }
  try {
    const lower = Math.min(lowest, getPriority(pid) + less)
    for (const thread of readdirSync(`/proc/${pid}/task`).slice(0, mostThreads).map(Number)) {
      if (thread !== pid && getPriority(thread) < lower) {
        setPriority(thread, lower)
      }
    }
  } catch {
    // It is ending, or belongs to another user. Nothing depends on it.
  }
}
