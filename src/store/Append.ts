/**
 * What an append would change, and whether it fits: the same for every store.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { type CellId, StoreFailure } from "../Protocol.ts"
import * as Utf8 from "../text/Utf8.ts"
import * as Record from "./Record.ts"

export interface Bounds {
  readonly maxRecordBytes?: number | undefined
  readonly maxCellBytes?: number | undefined
  readonly maxSessionBytes?: number | undefined
}

export type Limits = Required<{ readonly [Bound in keyof Bounds]: number }>

const mebibytes = (count: number) => count * 1024 * 1024

export const limitsOf = ({ maxCellBytes, maxRecordBytes, maxSessionBytes }: Bounds = {}): Limits => ({
  maxRecordBytes: maxRecordBytes ?? mebibytes(16),
  maxCellBytes: maxCellBytes ?? mebibytes(64),
  maxSessionBytes: maxSessionBytes ?? mebibytes(1024)
})

/** A record as it is kept. `version` is that of stored values. */
export interface Row {
  readonly kind: Record.Kind
  /** Absent where it belongs to the session, and outlives cells that are forgotten. */
  readonly cell: CellId | undefined
  readonly version: number | undefined
  readonly text: string
  readonly bytes: number
}

const toRow = (record: Record.Record, text: string): Row => {
  const { cellId, kind, version } = Record.labelOf(record)
  return {
    kind,
    cell: kind === "Stored" ? undefined : cellId,
    version,
    text,
    bytes: Utf8.byteLength(text)
  }
}

export interface CellChange {
  readonly cell: CellId
  readonly bytes: number
  readonly isSettled: boolean
}

export interface Append {
  readonly rows: ReadonlyArray<Row>
  readonly bytes: number
  /** The cells that it adds to. */
  readonly cells: ReadonlyArray<CellChange>
  /** Cells whose records go first. */
  readonly forget: ReadonlyArray<CellId>
  /** Stored values up to this version go first, too; below 0 none. */
  readonly replaced: number
  /** Whether it tells how a cell ended or who heard of it, and nothing else. This has to fit when nothing else does. */
  readonly isEnding: boolean
}

const endings = new Set<Record.Kind>(["Settled", "Heard", "Values"])

const tooLarge = (text: string) => new StoreFailure({ reason: "TooLarge", text })

/** An append of records that fit each by itself. */
export const make = (
  records: ReadonlyArray<Record.Record>,
  forget: ReadonlyArray<CellId> | undefined,
  { maxRecordBytes }: Limits
): Effect.Effect<Append, StoreFailure> =>
  Effect.flatMap(
    Effect.forEach(records, (record) => Effect.map(Effect.orDie(Record.encode(record)), (text) => toRow(record, text))),
    (rows) => {
      const cells = new Map<CellId, CellChange>()
      let bytes = 0
      let replaced = -1
      for (const row of rows) {
        // What has to fit: it takes the place of others that did.
        if (row.bytes > maxRecordBytes && row.kind !== "Values") {
          return Effect.fail(tooLarge(
            `a record of the kind ${row.kind} has ${row.bytes} bytes, which is more than ${maxRecordBytes}`
          ))
        }
        bytes += row.bytes
        if (row.kind === "Values") {
          replaced = Math.max(replaced, row.version!)
        }
        if (row.cell !== undefined) {
          const before = cells.get(row.cell)
          cells.set(row.cell, {
            cell: row.cell,
            bytes: (before?.bytes ?? 0) + row.bytes,
            isSettled: before?.isSettled === true || row.kind === "Settled"
          })
        }
      }
      return Effect.succeed({
        rows,
        bytes,
        cells: Array.from(cells.values()),
        forget: Array.from(new Set(forget)),
        replaced,
        isEnding: rows.every(({ kind }) => endings.has(kind))
      })
    }
  )

/** Why it does not fit, if it does not. The sizes are those that the session and the cells would have. */
export const refusal = (
  { isEnding }: Append,
  session: number,
  cells: Iterable<readonly [CellId, number]>,
  { maxCellBytes, maxSessionBytes }: Limits
): StoreFailure | undefined => {
  if (isEnding) {
    return undefined
  }
  for (const [cell, bytes] of cells) {
    if (bytes > maxCellBytes) {
      return tooLarge(`the journal of cell ${cell} would have more than ${maxCellBytes} bytes`)
    }
  }
  return session > maxSessionBytes
    ? tooLarge(`the journal of the session would have more than ${maxSessionBytes} bytes`)
    : undefined
}
