/**
 * A cell and its calls as bars, for a terminal of some width. It takes a screen at most, whatever the cell did.
 *
 * @internal
 */
import * as Identifier from "../../text/Identifier.ts"
import { empty, fit, join, padEnd, type Printable, text, width } from "../terminal/Printable.ts"
import type { Call, CellRecord, Span } from "./CellRecord.ts"
import * as Render from "./Render.ts"

/** Calls that have a bar each. Of more, those of a tool share one; of more tools, those that took the most are shown. */
const maxRows = 30

/** What a row has besides its bar: a name, as long as there is room, and what became of it. */
const nameShare = 0.3
const minBar = 10

const outcomes = {
  Succeeded: empty,
  Failed: text` failed`,
  Interrupted: text` stopped`,
  NotStarted: text` not made`
} as const

interface Row {
  readonly name: Printable
  readonly calls: ReadonlyArray<Call>
  readonly note: Printable
}

/** As a cell calls it. */
const nameOf = ({ tool }: Call) => Render.tool(Identifier.fromName(tool))

const took = ({ span: [from, to] }: Call) => to - from

const rowOfCall = (call: Call): Row => ({
  name: nameOf(call),
  calls: [call],
  note: text`${Render.duration(took(call))}${outcomes[call.outcome]}`
})

const rowOfTool = (calls: ReadonlyArray<Call>): Row => {
  const failed = calls.filter(({ outcome }) => outcome !== "Succeeded").length
  return {
    name: nameOf(calls[0]!),
    calls,
    note: text`${Render.count(calls.length)} calls${failed === 0 ? empty : text`, ${Render.count(failed)} failed`}`
  }
}

const sum = (calls: ReadonlyArray<Call>) => calls.reduce((total, call) => total + took(call), 0)

/** The rows, and how many tools have none. */
const toRows = (calls: ReadonlyArray<Call>): { readonly rows: ReadonlyArray<Row>; readonly hidden: number } => {
  const inOrder = calls.toSorted((a, b) => a.span[0] - b.span[0])
  if (calls.length <= maxRows) {
    return { rows: inOrder.map(rowOfCall), hidden: 0 }
  }
  const byTool = Map.groupBy(inOrder, ({ tool }) => tool)
  const shown = new Set(Array.from(byTool.values()).toSorted((a, b) => sum(b) - sum(a)).slice(0, maxRows))
  return {
    rows: Array.from(byTool.values()).filter((group) => shown.has(group)).map(rowOfTool),
    hidden: byTool.size - shown.size
  }
}

const marks = { none: text` `, waits: text`.`, works: text`=` } as const

/** A bar: where something of it was at work, where it only waited, and where there was nothing. */
const bar = (calls: ReadonlyArray<Call>, [from, to]: Span, columns: number): Printable => {
  const cells = Array<keyof typeof marks>(columns).fill("none")
  const scale = columns / Math.max(to - from, Number.MIN_VALUE)
  const draw = ([begin, end]: Span, mark: "waits" | "works", isLeast: boolean) => {
    const first = Math.min(columns - 1, Math.floor((begin - from) * scale))
    const after = Math.min(columns, Math.max(first + (isLeast ? 1 : 0), Math.round((end - from) * scale)))
    for (let at = first; at < after; at++) {
      if (mark === "works" || cells[at] === "none" || calls.length === 1) {
        cells[at] = mark
      }
    }
  }
  for (const { approvals, outcome, span, started } of calls) {
    if (outcome !== "NotStarted" || started < span[1]) {
      draw([started, span[1]], "works", true)
    }
    if (started > span[0]) {
      draw([span[0], started], "waits", outcome === "NotStarted")
    }
    approvals.forEach((approval) => draw(approval, "waits", false))
  }
  return join(cells.map((cell) => marks[cell]))
}

/** The lines, each of so many columns at most. */
export const render = ({ calls, omitted, outcome, span }: CellRecord, columns: number): Printable => {
  const { hidden, rows } = toRows(calls)
  const total = calls.length + omitted
  const widest = (parts: ReadonlyArray<Printable>) => Math.max(0, ...parts.map(width))
  const notes = widest(rows.map(({ note }) => note))
  const names = Math.min(widest(rows.map(({ name }) => name)), Math.max(8, Math.floor(columns * nameShare)))
  const room = Math.max(minBar, columns - names - notes - 6)
  const how = outcome === undefined ? text`ended` : outcomesOfCells[outcome]
  const title = text`cell that ${how}: ${Render.duration(span[1] - span[0])}, ${Render.count(total)} ${
    total === 1 ? text`call` : text`calls`
  }`
  const lines = [
    title,
    ...rows.map(({ calls, name, note }) =>
      text`${padEnd(fit(name, names), names)}  |${bar(calls, span, room)}|  ${note}`
    ),
    ...(hidden === 0 ? [] : [text`and ${Render.count(hidden)} other tools`]),
    ...(omitted === 0 ? [] : [text`and ${Render.count(omitted)} other calls`])
  ]
  return join(lines.map((line) => fit(line, columns)), text`\n`)
}

const outcomesOfCells = {
  Completed: text`completed`,
  Failed: text`failed`,
  Terminated: text`was ended`
} as const
