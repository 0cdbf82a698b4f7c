/**
 * What a model gets for an `exec` or a `wait`: a status, the wall time, and output within a budget.
 *
 * @internal
 */
import type { CellId, OutputItem } from "../Protocol.ts"
import * as Truncation from "../Truncation.ts"

export type Status = "Running" | "Completed" | "Failed" | "Terminated" | "Refused"

export interface Reply {
  readonly status: Status
  /** That of the cell, while there is one to wait for. */
  readonly cellId: CellId | undefined
  readonly items: ReadonlyArray<OutputItem>
}

export const text = (text: string): OutputItem => ({ type: "input_text", text })

const titles = {
  Running: (cellId: CellId) => `Script running with cell ID ${cellId}`,
  Completed: () => "Script completed",
  Failed: () => "Script failed",
  Terminated: () => "Script terminated"
}

export const make = (options: {
  readonly status: Exclude<Status, "Refused">
  readonly cellId: CellId
  readonly millis: number
  readonly items: ReadonlyArray<OutputItem>
  readonly error: string | undefined
  readonly maxTokens: number
  /** Lines that stand behind the output, and are not cut. */
  readonly hints: ReadonlyArray<string | undefined>
}): Reply => {
  const { cellId, error, hints, items, maxTokens, millis, status } = options
  const shown = Truncation.truncate(
    error === undefined ? items : [...items, text(`Script error:\n${error}`)],
    maxTokens
  )
  return {
    status,
    cellId: status === "Running" ? cellId : undefined,
    items: [
      text(`${titles[status](cellId)}\nWall time ${(millis / 1000).toFixed(1)} seconds\nOutput:\n`),
      ...shown,
      ...hints.flatMap((hint) => hint === undefined ? [] : [text(hint)])
    ]
  }
}

/** The request was not carried out. */
export const refused = (why: string): Reply => ({ status: "Refused", cellId: undefined, items: [text(why)] })
