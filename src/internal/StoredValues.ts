/**
 * The values that the cells of a session share, as JSON text by key.
 *
 * **Details**
 *
 * A cell takes a snapshot when it is admitted and hands in its writes when it completes. Writes are merged by key, so
 * the last cell to commit wins; a snapshot is never changed under a cell.
 *
 * @internal
 */
import type { StoredWrites } from "../Cell.ts"
import type { CellError } from "../Protocol.ts"

export interface StoredValues {
  readonly snapshot: () => ReadonlyMap<string, string>
  /** Why these writes would not fit, if they would not. */
  readonly refuse: (writes: StoredWrites) => CellError | undefined
  readonly commit: (writes: StoredWrites) => void
}

export const make = (maxBytes: number): StoredValues => {
  let values: ReadonlyMap<string, string> = new Map()
  let size = 0

  const merge = (writes: StoredWrites) => {
    const merged = new Map(values)
    let mergedSize = size
    for (const [key, json] of writes) {
      const before = merged.get(key)
      mergedSize += before === undefined ? key.length + json.length : json.length - before.length
      merged.set(key, json)
    }
    return { merged, mergedSize }
  }

  return {
    snapshot: () => values,
    refuse: (writes) =>
      writes.length > 0 && merge(writes).mergedSize > maxBytes
        ? {
          _tag: "LimitExceeded",
          text: `the stored values of the session would exceed ${maxBytes} bytes; this cell's are not kept`
        }
        : undefined,
    commit: (writes) => {
      if (writes.length > 0) {
        const { merged, mergedSize } = merge(writes)
        values = merged
        size = mergedSize
      }
    }
  }
}
