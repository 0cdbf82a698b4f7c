/**
 * What a person at a terminal sees of a cell: its output, its tool calls, and where it failed.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import { stripVTControlCharacters } from "node:util"
import type { CellError, CellId, OutputItem, ToolError } from "../Protocol.ts"
import * as Media from "./Media.ts"
import type { Source } from "./Source.ts"

// =============================================================================
// Output
// =============================================================================

const bytes = (size: number) =>
  size < 1000 ? `${size} B` : size < 1e6 ? `${(size / 1e3).toFixed(1)} kB` : `${(size / 1e6).toFixed(1)} MB`

const media = ({ bytes: { length }, kind, mediaType }: Media.Media) =>
  `${kind} ${mediaType === "" ? "of unknown type" : mediaType}, ${bytes(length)}`

// oxlint-disable-next-line no-control-regex -- they are what this is about
const control = /(?<colour>\x1b\[[\d;]*m)|(?<lineEnd>\r\n)|(?<picture>[\x00-\x08\x0b-\x1f])|[\x7f-\x9f]/g

/** Foreign text that cannot steer the terminal. Colours stay; other control characters are shown as what they are. */
export const harmless = (text: string): string =>
  text.replace(
    control,
    (found: string, colour?: string, lineEnd?: string, picture?: string) =>
      colour ?? lineEnd ?? (picture === undefined ? "\ufffd" : String.fromCodePoint(0x2400 + found.codePointAt(0)!))
  )

const line = (text: string) => text.endsWith("\n") ? text : `${text}\n`

/** An item of output as a line. Text stays as it is; of an image or a recording there is only a note. */
export const item = (self: OutputItem): string =>
  line(self.type === "input_text" ? self.text : `[${media(Media.fromItem(self))}]`)

/** An image or a recording that is in a file, as a line. */
export const saved = (self: Media.Saved): string => line(`[${media(self)}: ${self.path}]`)

/** A line that says that a host would be told of the cell here. */
export const yielded = (cellId: CellId): string => `yielded: cell ${cellId} is still running`

// =============================================================================
// Tool calls
// =============================================================================

const maxSummary = 200

/** Foreign text as one short line that cannot steer the terminal. */
export const summary = (text: string) => {
  const flat = stripVTControlCharacters(text).replace(/[\s\p{Cc}]+/gu, " ").trim()
  return flat.length > maxSummary ? `${flat.slice(0, maxSummary)}…` : flat
}

/** A time for people. */
export const duration = (millis: number) =>
  millis < 1000 ? `${Math.round(millis)} ms` : `${(millis / 1000).toFixed(1)} s`

/** The text of a result that says it is an error. */
const errorResult = (result: Schema.Json): string | undefined => {
  if (!Predicate.isObject(result) || result.isError !== true) {
    return undefined
  }
  const content: ReadonlyArray<unknown> = Array.isArray(result.content) ? result.content : []
  return content.flatMap((block) => Predicate.hasProperty(block, "text") ? String(block.text) : []).join(" ")
}

export interface ToolOutcome {
  readonly outcome: "ok" | "error" | "failed" | "cancelled" | "crashed"
  readonly text?: string | undefined
}

/** How a tool call ended. */
export const toolOutcome = (exit: Exit.Exit<Schema.Json, ToolError>): ToolOutcome => {
  if (Exit.isSuccess(exit)) {
    const text = errorResult(exit.value)
    return text === undefined ? { outcome: "ok" } : { outcome: "error", text }
  }
  return Option.match(Cause.findErrorOption(exit.cause), {
    onNone: (): ToolOutcome => ({ outcome: Cause.hasInterruptsOnly(exit.cause) ? "cancelled" : "crashed" }),
    onSome: ({ text }) => ({ outcome: "failed", text })
  })
}

/** A tool call that is over, as a line. */
export const toolCall = (name: string, millis: number, exit: Exit.Exit<Schema.Json, ToolError>): string => {
  const { outcome, text: told } = toolOutcome(exit)
  const text = told?.startsWith(`${name}: `) ? told.slice(name.length + 2) : told
  return `${summary(name)}  ${duration(millis)}  ${outcome}${text === undefined ? "" : `: ${summary(text)}`}`
}

/** A notification as a line. */
export const notification = (text: string): string => `notification: ${summary(text)}`

// =============================================================================
// Failures
// =============================================================================

const maxExcerpt = 100

/** A line of source with a caret below a column of it. */
const mark = (number: number, text: string, column: number): string => {
  const start = Math.max(0, Math.min(column - 1 - maxExcerpt / 2, text.length - maxExcerpt))
  const before = text.slice(start, column - 1)
  const gutter = ` ${number} | `
  return [
    `${gutter}${text.slice(start, start + maxExcerpt)}`,
    `${gutter.replace(/\d/g, " ")}${before.replace(/[^\t]/g, " ")}^`
  ].join("\n")
}

/** Why a cell failed, and the place in its source. */
export const failure = (source: Pick<Source, "label" | "text">, error: CellError): string => {
  const { location } = error
  const text = harmless(error.text)
  const place = location === undefined ? undefined : source.text.split(/\r\n|[\n\r\u2028\u2029]/)[location.line - 1]
  return location === undefined || place === undefined
    ? text
    : `${text}\n\n${source.label}:${location.line}:${location.column}\n${
      mark(location.line, harmless(place), location.column)
    }`
}
