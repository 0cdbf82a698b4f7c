/**
 * Events for a reader that has no fiber while there are none: one that waits at a queue takes some kilobytes.
 *
 * @internal
 */
import type { IsolateEvent } from "../Isolate.ts"

export class Inbox {
  private events: Array<IsolateEvent> = []
  private isOver = false
  private isDue = false
  private read: ((events: ReadonlyArray<IsolateEvent>, isOver: boolean) => void) | undefined

  offer(events: ReadonlyArray<IsolateEvent>): void {
    this.events = this.events.length === 0 ? [...events] : [...this.events, ...events]
    this.ring()
  }

  /** There are no more to come. */
  end(): void {
    this.isOver = true
    this.ring()
  }

  /** The reader has what there is at once, and what comes later always in a step of its own. */
  listen(read: (events: ReadonlyArray<IsolateEvent>, isOver: boolean) => void): void {
    this.read = read
    this.hand()
  }

  private ring(): void {
    if (this.read !== undefined && !this.isDue) {
      this.isDue = true
      queueMicrotask(() => {
        this.isDue = false
        this.hand()
      })
    }
  }

  private hand(): void {
    const { events } = this
    if (events.length > 0 || this.isOver) {
      this.events = []
      this.read?.(events, this.isOver)
    }
  }
}
