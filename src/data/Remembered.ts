/**
 * The last things of a kind that were, each with what is to be known of it. The first to come is the first to go.
 *
 * @internal
 */
export class Remembered<K, V = true> {
  private readonly capacity: number
  private readonly maxWeight: number
  private readonly weigh: (value: V) => number
  private readonly values = new Map<K, V>()
  private weight = 0
  /** How many had to go. */
  forgotten = 0

  /** So many of them at most, and where they have a weight, so much of it together. */
  constructor(
    capacity: number,
    weight?: { readonly max: number; readonly of: (value: V) => number }
  ) {
    this.capacity = capacity
    this.maxWeight = weight?.max ?? Number.POSITIVE_INFINITY
    this.weigh = weight?.of ?? nothing
  }

  has(key: K): boolean {
    return this.values.has(key)
  }

  get(key: K): V | undefined {
    return this.values.get(key)
  }

  set(key: K, value: V): void {
    this.weight += this.weigh(value) - this.weightOf(key)
    this.values.set(key, value)
    for (const oldest of this.values.keys()) {
      if (this.values.size <= this.capacity && this.weight <= this.maxWeight) {
        return
      }
      this.delete(oldest)
      this.forgotten++
    }
  }

  [Symbol.iterator](): IterableIterator<V> {
    return this.values.values()
  }

  delete(key: K): void {
    this.weight -= this.weightOf(key)
    this.values.delete(key)
  }

  private weightOf(key: K): number {
    const value = this.values.get(key)
    return value === undefined ? 0 : this.weigh(value)
  }
}

const nothing = () => 0
