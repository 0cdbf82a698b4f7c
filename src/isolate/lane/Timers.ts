/**
 * The timers of one cell. They fire in the order of their deadlines, and of two with one deadline the first set is
 * the first to fire, which the timers of the process do not promise for different delays.
 *
 * @since 0.1.0
 */
import { maxDue } from "../Frames.ts"

const maxDelay = 2 ** 31 - 1

interface Timer {
  readonly id: number
  readonly due: number
  isCleared: boolean
}

const isBefore = (a: Timer, b: Timer) => a.due < b.due || (a.due === b.due && a.id < b.id)

/** A binary heap: the next one is at the front, and no timer costs more than the logarithm of their number. */
const makeHeap = () => {
  let heap: Array<Timer> = []

  const sink = (timer: Timer, from: number) => {
    let at = from
    while (true) {
      const left = 2 * at + 1
      const right = left + 1
      const child = right < heap.length && isBefore(heap[right]!, heap[left]!) ? right : left
      if (child >= heap.length || !isBefore(heap[child]!, timer)) {
        break
      }
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = timer
  }

  return {
    size: () => heap.length,
    first: (): Timer | undefined => heap[0],
    push: (timer: Timer) => {
      let at = heap.length
      while (at > 0) {
        const parent = (at - 1) >> 1
        if (!isBefore(timer, heap[parent]!)) {
          break
        }
        heap[at] = heap[parent]!
        at = parent
      }
      heap[at] = timer
    },
    removeFirst: () => {
      const last = heap.pop()
      if (last !== undefined && heap.length > 0) {
        sink(last, 0)
      }
    },
    removeCleared: () => {
      // What is sorted is a heap.
      heap = heap.filter((timer) => !timer.isCleared).sort((a, b) => isBefore(a, b) ? -1 : 1)
    },
    removeAll: () => {
      heap = []
    }
  }
}

/** Cleared timers that may stay where they are. */
const keptCleared = 64

/** Timers by their deadlines. `set` and `clear` tell whether another one is the next now. */
const makeAgenda = () => {
  const heap = makeHeap()
  // Those that will fire; cleared ones stay in the heap until it is their turn, or they are too many.
  const waiting = new Map<number, Timer>()

  const first = () => {
    while (heap.first()?.isCleared === true) {
      heap.removeFirst()
    }
    return heap.first()
  }

  return {
    size: () => waiting.size,
    first,
    takeFirst: (): number | undefined => {
      const next = first()
      if (next !== undefined) {
        heap.removeFirst()
        waiting.delete(next.id)
      }
      return next?.id
    },
    set: (id: number, due: number): boolean => {
      const timer = { id, due, isCleared: false }
      waiting.set(id, timer)
      heap.push(timer)
      return heap.first() === timer
    },
    clear: (id: number): boolean => {
      const timer = waiting.get(id)
      if (timer === undefined) {
        return false
      }
      const isNext = heap.first() === timer
      waiting.delete(id)
      timer.isCleared = true
      if (heap.size() > 2 * waiting.size + keptCleared) {
        heap.removeCleared()
      }
      return isNext
    },
    clearAll: (): void => {
      waiting.clear()
      heap.removeAll()
    }
  }
}

export const makeTimers = (fire: (id: number) => void) => {
  const agenda = makeAgenda()
  let alarm: NodeJS.Timeout | undefined

  const arm = () => {
    clearTimeout(alarm)
    const next = agenda.first()
    alarm = next === undefined
      ? undefined
      : setTimeout(onAlarm, Math.min(Math.max(Math.ceil(next.due - performance.now()), 0), maxDelay))
  }

  const onAlarm = () => {
    const now = performance.now()
    for (let next = agenda.first(); next !== undefined && next.due <= now; next = agenda.first()) {
      agenda.takeFirst()
      fire(next.id)
    }
    arm()
  }

  return {
    size: agenda.size,
    set: (id: number, delay: number): void => {
      if (agenda.set(id, performance.now() + delay)) {
        arm()
      }
    },
    clear: (id: number): void => {
      if (agenda.clear(id)) {
        arm()
      }
    },
    clearAll: (): void => {
      agenda.clearAll()
      arm()
    }
  }
}

/** Timers that fire when they are told to, by a clock that is given. */
export const makeStillTimers = (now: () => number) => {
  const agenda = makeAgenda()
  return {
    ...agenda,
    set: (id: number, delay: number): void => {
      agenda.set(id, Math.min(now() + delay, maxDue))
    },
    clear: (id: number): void => {
      agenda.clear(id)
    },
    /** When the next one is due. */
    due: () => agenda.first()?.due
  }
}
