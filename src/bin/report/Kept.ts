/**
 * What a person sees of the sessions of a store.
 *
 * @internal
 */
import * as Holder from "../../durable/Holder.ts"
import type { SessionSummary } from "../../Store.ts"
import type { Cell, Digest } from "../../store/Digest.ts"
import { empty, fit, foreign, join, padEnd, type Printable, text, width } from "../terminal/Printable.ts"
import * as Render from "./Render.ts"

const units = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000], ["second", 1000]] as const

/** How long ago something was. */
export const age = (millis: number): Printable => {
  const [unit, size] = units.find(([, size]) => millis >= size) ?? ["second", 1000]
  const count = Math.max(0, Math.floor(millis / size))
  return count === 0 ? text`now` : count === 1 ? text`1 ${unit} ago` : text`${Render.count(count)} ${unit}s ago`
}

const numberOf = (count: number, one: Printable, many: Printable): Printable =>
  count === 1 ? text`1 ${one}` : text`${Render.count(count)} ${many}`

/** Lines whose columns stand below each other. */
const table = (rows: ReadonlyArray<ReadonlyArray<Printable>>): Printable => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => width(row[column]!))))
  return join(rows.map((row) =>
    text`${
      join(
        row.map((field, column) => column === row.length - 1 ? field : padEnd(field, widths[column]!)),
        text`  `
      )
    }\n`
  ))
}

/** A line for each session. */
export const sessions = (list: ReadonlyArray<SessionSummary>, now: number): Printable =>
  list.length === 0
    ? text`there are no sessions\n`
    : table([
      [text`SESSION`, text`LIVE`, text`ENDED`, text`SIZE`, text`CHANGED`, text`OWNER`],
      ...list.map(({ bytes, changedAt, leaseUntil = 0, liveCells, owner, session, settledCells }) => [
        foreign("name of a session", session, "word"),
        text`${liveCells}`,
        text`${settledCells}`,
        Render.bytes(bytes),
        age(now - changedAt),
        owner === undefined
          ? text`-`
          : text`${foreign("owner of a session", Holder.describe(owner), "word")}${
            leaseUntil <= now || Holder.hasEnded(owner) ? text` (gone)` : empty
          }`
      ])
    ])

const maxSource = 80

/** The first line of a source that says something. */
const firstLine = (source: string): Printable =>
  fit(
    foreign("source of a cell that is kept", source.trim().split("\n", 1)[0]!.slice(0, maxSource + 1), "code"),
    maxSource
  )

const status = ({ calls, ended }: Cell): Printable => {
  const unanswered = calls.filter(({ state }) => state === "unanswered").length
  return ended === undefined
    ? unanswered === 0
      ? text`live`
      : text`live, waits for ${numberOf(unanswered, text`call`, text`calls`)}`
    : text`${ended.as}`
}

/** The calls of one tool in a line, with what came of them. */
const callsOf = (tool: string, calls: Cell["calls"]): Printable => {
  const states = Map.groupBy(calls, ({ state }) => state)
  return text`    ${foreign("tool of a cell that is kept", tool, "word")}: ${
    join(Array.from(states, ([state, { length }]) => text`${Render.count(length)} ${state}`), text`, `)
  }\n`
}

const cell = (self: Cell, now: number): Printable => {
  const { calls, createdAt, ended, error, heard, id, isRead, output, source } = self
  const unread = output.length - heard
  return join([
    text`\ncell ${id}: ${status(self)}\n`,
    text`  ${firstLine(source)}\n`,
    text`  made ${age(now - createdAt)}${ended === undefined ? empty : text`, ended ${age(now - ended.at)}`}${
      ended === undefined || isRead ? empty : text`, outcome not read`
    }\n`,
    ...(error === undefined ? [] : [text`  error: ${foreign("error of a cell that is kept", error.text, "prose")}\n`]),
    ...(calls.length === 0 ? [] : [text`  calls:\n`]),
    ...Array.from(Map.groupBy(calls, ({ tool }) => tool), ([tool, calls]) => callsOf(tool, calls)),
    ...(output.length === 0 ? [] : [
      text`  output: ${numberOf(output.length, text`item`, text`items`)}${
        unread === 0 ? empty : text`, ${Render.count(unread)} not read`
      }\n`
    ])
  ])
}

/** All there is of a session. */
export const session = (summary: SessionSummary, { cells, valuesAt, version }: Digest, now: number): Printable => {
  const values = Array.from(valuesAt(version))
  return join([
    sessions([summary], now),
    ...cells.map((each) => cell(each, now)),
    ...(values.length === 0 ? [] : [text`\nstored values:\n`]),
    ...values.map(([key, json]) =>
      text`  ${foreign("key of a value that is kept", key, "prose")}: ${Render.bytes(json.length)}\n`
    )
  ])
}
