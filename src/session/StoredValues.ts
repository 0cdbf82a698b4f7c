/**
 * The values that the cells of a session share, as JSON text by key.
 *
 * **Details**
 *
 * A cell takes a snapshot when it is admitted and hands in its writes when it completes. Writes are merged by key, so
 * the last cell to commit wins; a snapshot is never changed under a cell.
 *
 * They are bounded by their bytes, by their number, and by what they would take once they are read, which for many
 * small values is far more than their text.
 *
 * @internal
 */
import type { CellError } from "../Protocol.ts"
import * as JsonText from "../text/JsonText.ts"
import * as Utf8 from "../text/Utf8.ts"
import type { StoredWrites } from "./Cell.ts"

export interface StoredValues {
  readonly snapshot: () => ReadonlyMap<string, string>
  /** Why these writes would never fit, if they would not. */
  readonly refuseAlways: (writes: StoredWrites) => CellError | undefined
  /** Why these writes do not fit now, if they do not. */
  readonly refuse: (writes: StoredWrites) => CellError | undefined
  readonly commit: (writes: StoredWrites) => void
}

/** Values of one session, however short they are. */
export const maxValues = 2 ** 18

interface Size {
  readonly count: number
  readonly bytes: number
  readonly weight: number
}

const nothing: Size = { count: 0, bytes: 0, weight: 0 }

const sizeOf = (json: string): Size => ({ count: 1, bytes: Utf8.byteLength(json), weight: JsonText.weightOf(json) })

const refusal = (excess: string | undefined): CellError | undefined =>
  excess === undefined ? undefined : {
    _tag: "LimitExceeded",
    text: `the stored values of the session would ${excess}; this cell's are not kept`
  }

export const make = (maxBytes: number): StoredValues => {
  let values: ReadonlyMap<string, string> = new Map()
  let size = nothing
  /** What was measured last, which is what is committed next. */
  let measured: { readonly writes: StoredWrites; readonly size: Size } | undefined

  const excessOf = ({ bytes, count, weight }: Size): string | undefined =>
    bytes > maxBytes
      ? `exceed ${maxBytes} bytes`
      : count > maxValues
      ? `be more than ${maxValues}`
      : weight > JsonText.maxWeight(maxBytes)
      ? "consist of too many parts"
      : undefined

  const measure = (writes: StoredWrites): Size => {
    if (measured?.writes === writes) {
      return measured.size
    }
    let { bytes, count, weight } = size
    for (const [key, json] of new Map(writes)) {
      const before = values.get(key)
      const old = before === undefined ? nothing : sizeOf(before)
      const now = sizeOf(json)
      count += now.count - old.count
      bytes += now.bytes - old.bytes + (before === undefined ? Utf8.byteLength(key) : 0)
      weight += now.weight - old.weight
    }
    measured = { writes, size: { count, bytes, weight } }
    return measured.size
  }

  return {
    snapshot: () => values,
    refuseAlways: (writes) => {
      const written = new Map(writes)
      let bytes = 0
      for (const [key, json] of written) {
        bytes += Utf8.byteLength(key) + Utf8.byteLength(json)
      }
      return refusal(excessOf({ count: written.size, bytes, weight: 0 }))
    },
    refuse: (writes) => writes.length === 0 ? undefined : refusal(excessOf(measure(writes))),
    commit: (writes) => {
      if (writes.length > 0) {
        size = measure(writes)
        measured = undefined
        values = new Map([...values, ...writes])
      }
    }
  }
}
