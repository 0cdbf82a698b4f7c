/**
 * The timers of one cell. They fire in the order of their deadlines, and of two with one deadline the first set is
 * the first to fire, which the timers of the process do not promise for different delays.
 *
 * @since 0.1.0
 */

const maxDelay = 2 ** 31 - 1

interface Timer {
  readonly id: number
  readonly due: number
}

export const makeTimers = (fire: (id: number) => void) => {
  // Sorted. Ids grow, so a new timer stands behind those of its deadline.
  const queue: Array<Timer> = []
  const dues = new Map<number, number>()
  let alarm: NodeJS.Timeout | undefined

  /** The place of the first timer that is due after this one would be. */
  const placeOf = ({ due, id }: Timer): number => {
    let low = 0
    let high = queue.length
    while (low < high) {
      const middle = (low + high) >> 1
      const other = queue[middle]!
      if (other.due < due || (other.due === due && other.id < id)) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }

  const arm = () => {
    clearTimeout(alarm)
    const [next] = queue
    alarm = next === undefined
      ? undefined
      : setTimeout(onAlarm, Math.min(Math.max(Math.ceil(next.due - performance.now()), 0), maxDelay))
  }

  const onAlarm = () => {
    const now = performance.now()
    const count = placeOf({ due: now, id: Infinity })
    for (const { id } of queue.splice(0, count)) {
      dues.delete(id)
      fire(id)
    }
    arm()
  }

  return {
    size: () => queue.length,
    set: (id: number, delay: number): void => {
      const timer = { id, due: performance.now() + delay }
      const place = placeOf(timer)
      queue.splice(place, 0, timer)
      dues.set(id, timer.due)
      if (place === 0) {
        arm()
      }
    },
    clear: (id: number): void => {
      const due = dues.get(id)
      if (due !== undefined) {
        dues.delete(id)
        const place = placeOf({ id, due })
        queue.splice(place, 1)
        if (place === 0) {
          arm()
        }
      }
    },
    clearAll: (): void => {
      queue.length = 0
      dues.clear()
      arm()
    }
  }
}
