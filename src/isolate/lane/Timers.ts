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

export const makeTimers = (fire: (id: number) => void) => {
  const heap = makeHeap()
  // Those that will fire; cleared ones stay in the heap until it is their turn, or they are too many.
  const waiting = new Map<number, Timer>()
  let alarm: NodeJS.Timeout | undefined

  const first = () => {
    while (heap.first()?.isCleared === true) {
      heap.removeFirst()
    }
    return heap.first()
  }

  const arm = () => {
    clearTimeout(alarm)
    const next = first()
    alarm = next === undefined
      ? undefined
      : setTimeout(onAlarm, Math.min(Math.max(Math.ceil(next.due - performance.now()), 0), maxDelay))
  }

  const onAlarm = () => {
    const now = performance.now()
    for (let next = first(); next !== undefined && next.due <= now; next = first()) {
      heap.removeFirst()
      waiting.delete(next.id)
      fire(next.id)
    }
    arm()
  }

  return {
    size: () => waiting.size,
    set: (id: number, delay: number): void => {
      const timer = { id, due: performance.now() + delay, isCleared: false }
      waiting.set(id, timer)
      heap.push(timer)
      if (heap.first() === timer) {
        arm()
      }
    },
    clear: (id: number): void => {
      const timer = waiting.get(id)
      if (timer !== undefined) {
        const isNext = heap.first() === timer
        waiting.delete(id)
        timer.isCleared = true
        if (heap.size() > 2 * waiting.size + keptCleared) {
          heap.removeCleared()
        }
        if (isNext) {
          arm()
        }
      }
    },
    clearAll: (): void => {
      waiting.clear()
      heap.removeAll()
      arm()
    }
  }
}
