/**
 * The last things of a kind that were, to tell them from those that never were.
 *
 * @internal
 */
export class Remembered<A> {
  private readonly capacity: number
  private readonly values = new Set<A>()

  constructor(capacity: number) {
    this.capacity = capacity
  }

  has(value: A): boolean {
    return this.values.has(value)
  }

  add(value: A): void {
    this.values.add(value)
    if (this.values.size > this.capacity) {
      this.values.delete(this.values.values().next().value!)
    }
  }

  delete(value: A): void {
    this.values.delete(value)
  }
}
