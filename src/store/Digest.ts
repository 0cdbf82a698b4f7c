/**
 * What a journal comes to, without running anything.
 *
 * @internal
 */
import type { CellError, CellId, CellKind, OutputItem, ToolCallId, ToolDefinition } from "../Protocol.ts"
import type { Record } from "./Record.ts"

export interface Call {
  readonly id: ToolCallId
  /** The `name` of its tool. */
  readonly tool: string
  readonly state: "unanswered" | "succeeded" | "failed" | "not started" | "unknown"
}

export interface Cell {
  readonly id: CellId
  readonly number: number
  readonly kind: CellKind
  readonly source: string
  readonly createdAt: number
  /** The version of the stored values that it sees. */
  readonly sees: number
  readonly calls: ReadonlyArray<Call>
  readonly output: ReadonlyArray<OutputItem>
  /** How many items of its output observers have. */
  readonly heard: number
  readonly ended: { readonly at: number; readonly as: "completed" | "failed" | "terminated" } | undefined
  readonly error: CellError | undefined
  /** Whether an observer has its outcome. */
  readonly isRead: boolean
}

export interface Digest {
  /** In the order in which they were made. */
  readonly cells: ReadonlyArray<Cell>
  /** The stored values at a version, as JSON by key. */
  readonly valuesAt: (version: number) => ReadonlyMap<string, string>
  readonly version: number
}

type Writable<A> = { -readonly [Key in keyof A]: A[Key] }

type Building = Omit<Writable<Cell>, "calls" | "output"> & {
  readonly calls: Map<ToolCallId, Call>
  readonly output: Array<OutputItem>
}

const stateOf = ({ answer }: Extract<Record, { readonly _tag: "Answered" }>): Call["state"] =>
  answer._tag === "Resolved"
    ? "succeeded"
    : answer.effect === "none"
    ? "not started"
    : answer.effect

export const make = (records: ReadonlyArray<Record>): Digest => {
  const tools = new Map<number, ReadonlyArray<ToolDefinition>>()
  const toolsOf = new Map<CellId, ReadonlyArray<ToolDefinition>>()
  const cells = new Map<CellId, Building>()
  const writes: Array<Extract<Record, { readonly _tag: "Stored" | "Values" }>> = []

  for (const record of records) {
    const cell = "cellId" in record && record.cellId !== undefined ? cells.get(record.cellId) : undefined
    switch (record._tag) {
      case "Tools":
        tools.set(record.number, record.definitions)
        break
      case "Stored":
      case "Values":
        writes.push(record)
        break
      case "Created":
        toolsOf.set(record.cellId, tools.get(record.tools) ?? [])
        cells.set(record.cellId, {
          id: record.cellId,
          number: record.number,
          kind: record.kind,
          source: record.request.source,
          createdAt: record.at,
          sees: record.stored,
          calls: new Map(),
          output: [],
          heard: 0,
          ended: undefined,
          error: undefined,
          isRead: false
        })
        break
      case "Called":
        cell?.calls.set(record.call, {
          id: record.call,
          tool: toolsOf.get(record.cellId)?.[record.tool]?.name ?? "",
          state: "unanswered"
        })
        break
      case "Answered": {
        const call = cell?.calls.get(record.call)
        if (call !== undefined) {
          cell?.calls.set(record.call, { ...call, state: stateOf(record) })
        }
        break
      }
      case "Output":
        cell?.output.push(...record.items)
        break
      case "Heard":
        if (cell !== undefined) {
          cell.heard = Math.max(cell.heard, record.to)
          cell.isRead ||= record.event._tag === "Ended"
        }
        break
      case "Settled":
        if (cell !== undefined) {
          const { outcome } = record
          cell.error = outcome._tag === "Completed" ? outcome.error : undefined
          cell.ended = {
            at: record.at,
            as: outcome._tag === "Terminated" ? "terminated" : outcome.error === undefined ? "completed" : "failed"
          }
        }
    }
  }

  return {
    cells: Array.from(cells.values(), (cell) => ({ ...cell, calls: Array.from(cell.calls.values()) })),
    version: Math.max(0, ...writes.map(({ version }) => version)),
    valuesAt: (version) =>
      new Map(
        writes.filter((record) => record.version <= version).sort((one, other) => one.version - other.version).flatMap(
          (record) => record._tag === "Values" ? record.values : record.writes
        )
      )
  }
}
