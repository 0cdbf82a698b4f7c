/**
 * What a model gets for an `exec` or a `wait`: a status, the wall time, and output within a budget.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import { defined } from "../data/Defined.ts"
import type { CellError, CellId, Ledger, OutputItem, ToolCallId } from "../Protocol.ts"
import * as Truncation from "../Truncation.ts"

export const Status = Schema.Literals(["Running", "Completed", "Failed", "Terminated", "Refused"])
export type Status = typeof Status.Type

export interface Reply {
  readonly status: Status
  /** Whether nothing went wrong: a cell that goes on, or was stopped, is no failure. */
  readonly success: boolean
  /** That of the cell, while there is one to wait for. */
  readonly cellId: CellId | undefined
  readonly items: ReadonlyArray<OutputItem>
  /** Why the cell failed. */
  readonly error?: CellError
  /** What became of the cell's tool calls. */
  readonly ledger?: Ledger
  /** Its calls that wait until a person agrees. */
  readonly awaitingApproval?: ReadonlyArray<ToolCallId>
}

const text = (text: string): OutputItem => ({ type: "input_text", text })

const titles = {
  Running: (cellId: CellId | undefined) => `Script running with cell ID ${cellId}`,
  Completed: () => "Script completed",
  Failed: () => "Script failed",
  Terminated: () => "Script terminated"
}

export const make = (options: {
  readonly status: Exclude<Status, "Refused">
  /** Where there is a cell. */
  readonly cellId: CellId | undefined
  readonly millis: number
  readonly items: ReadonlyArray<OutputItem>
  readonly error: CellError | undefined
  readonly maxTokens: number
  /** Lines that stand behind the output, and are not cut. */
  readonly hints: ReadonlyArray<string | undefined>
  readonly ledger?: Ledger
  readonly awaitingApproval?: ReadonlyArray<ToolCallId>
}): Reply => {
  const { awaitingApproval, cellId, error, hints, items, ledger, maxTokens, millis, status } = options
  const shown = Truncation.truncate(
    error === undefined ? items : [...items, text(`Script error:\n${error.text}`)],
    maxTokens
  )
  return {
    status,
    success: status !== "Failed",
    cellId: status === "Running" ? cellId : undefined,
    items: [
      text(`${titles[status](cellId)}\nWall time ${Math.fround(millis / 1000).toFixed(1)} seconds\nOutput:\n`),
      ...shown,
      ...hints.flatMap((hint) => hint === undefined ? [] : [text(hint)])
    ],
    ...defined({ error, ledger, awaitingApproval })
  }
}

/** The request was not carried out. */
export const refused = (why: string): Reply => ({
  status: "Refused",
  success: false,
  cellId: undefined,
  items: [text(why)]
})
