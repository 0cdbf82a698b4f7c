/**
 * The last things of a kind that were, each with what is to be known of it. The first to come is the first to go.
 *
 * @internal
 */
export class Remembered<K, V = true> {
  private readonly capacity: number
  private readonly values = new Map<K, V>()

  constructor(capacity: number) {
    this.capacity = capacity
  }

  has(key: K): boolean {
    return this.values.has(key)
  }

  get(key: K): V | undefined {
    return this.values.get(key)
  }

  set(key: K, value: V): void {
    this.values.set(key, value)
    if (this.values.size > this.capacity) {
      this.values.delete(this.values.keys().next().value!)
    }
  }

  delete(key: K): void {
    this.values.delete(key)
  }
}
