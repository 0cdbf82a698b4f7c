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
import type { Finding } from "../../Check.ts"
import type { Progress } from "../../Mcp.ts"
import type { CellError, CellId, Location, OutputItem, ToolError } from "../../Protocol.ts"
import * as Places from "../../text/Places.ts"
import type { Source } from "../commands/Source.ts"
import { blank, empty, foreign, join, type Printable, text } from "../terminal/Printable.ts"
import * as Media from "./Media.ts"

// =============================================================================
// Numbers
// =============================================================================

/** A number with its thousands apart. */
export const count = (value: number): Printable => {
  const thousands = Math.floor(value / 1000)
  return thousands === 0 ? text`${value}` : text`${count(thousands)},${threeDigits(value % 1000)}`
}

const threeDigits = (value: number): Printable =>
  text`${Math.floor(value / 100)}${Math.floor(value / 10) % 10}${value % 10}`

/** A number with one digit after the point. */
const decimal = (value: number): Printable => {
  const tenths = Math.round(value * 10)
  return text`${Math.floor(tenths / 10)}.${tenths % 10}`
}

/** A size for people. */
export const bytes = (size: number): Printable =>
  size < 1000 ? text`${size} B` : size < 1e6 ? text`${decimal(size / 1e3)} kB` : text`${decimal(size / 1e6)} MB`

/** A time for people. */
export const duration = (millis: number): Printable =>
  millis < 1000 ? text`${Math.round(millis)} ms` : text`${decimal(millis / 1000)} s`

// =============================================================================
// Output
// =============================================================================

/** A note in place of what is no text. */
export const media = (
  { bytes: { length }, kind, mediaType }: Omit<Media.Media, "kind"> & { readonly kind: Media.Media["kind"] | "data" }
): Printable =>
  text`${kind} ${mediaType === "" ? text`of unknown type` : foreign("media type", mediaType, "prose")}, ${
    bytes(length)
  }`

/** An item of output as a line. Text stays as it is; of an image or a recording there is only a note. */
export const item = (self: OutputItem): Printable =>
  self.type === "input_text"
    ? foreign("output", self.text.endsWith("\n") ? self.text : `${self.text}\n`, "output")
    : text`[${media(Media.fromItem(self))}]\n`

/** An image or a recording that is in a file, as a line. */
export const saved = (self: Media.Saved): Printable =>
  text`[${media(self)}: ${foreign("file of media", self.path, "word")}]\n`

/** Says that a host would be told of the cell here. */
export const yielded = (cellId: CellId): Printable => text`yielded: cell ${cellId} is still running`

// =============================================================================
// Tool calls
// =============================================================================

const maxArgument = 60

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

/** The name of a tool. */
export const tool = (name: string): Printable => foreign("name of a tool", name, "prose")

/** What stands for the whole argument of a call, in this order. */
const telling = ["path", "file", "url", "uri", "query", "command", "name", "title", "id"]

/** The part of a call's argument that says most about it, if it says something. */
export const argument = (input: Schema.Json | undefined): Printable => {
  const members: Readonly<Record<string, unknown>> = Predicate.isObject(input) ? input : {}
  const values: ReadonlyArray<unknown> = Predicate.isObjectOrArray(input) ? Object.values(input) : [input]
  const first = [...telling.map((key) => members[key]), ...values].find((value) =>
    typeof value === "string" && value.trim() !== ""
  )
  return typeof first === "string" ? foreign("argument of a tool", first.slice(0, maxArgument), "prose") : empty
}

/** How far a call has come. */
export const progress = ({ message, progress, total }: Progress): Printable => {
  const far = total === undefined || total <= 0 ? decimal(progress) : text`${Math.round(100 * progress / total)} %`
  return message === undefined ? far : text`${far} ${foreign("progress of a tool", message, "prose")}`
}

/** What a server has for its log. */
export const said = (told: string): Printable => foreign("log of a server", told, "prose")

/** A server that has other tools now. */
export const toolsChanged = (server: string): Printable =>
  text`${foreign("server whose tools change", server, "prose")}: its tools have changed; later cells see them`

/** A tool call that is over. */
export const toolCall = (name: string, millis: number, exit: Exit.Exit<Schema.Json, ToolError>): Printable => {
  const { outcome, text: told } = toolOutcome(exit)
  const rest = told?.startsWith(`${name}: `) ? told.slice(name.length + 2) : told
  const why = rest === undefined ? empty : text`: ${foreign("error of a tool", rest, "prose")}`
  return text`${tool(name)}  ${duration(millis)}  ${outcome}${why}`
}

/** A notification. */
export const notification = (told: string): Printable => text`notification: ${foreign("notification", told, "prose")}`

// =============================================================================
// Failures
// =============================================================================

const maxExcerpt = 100

/** A line of source with a caret below a column of it. */
const mark = (number: number, line: string, column: number): Printable => {
  const start = Math.max(0, Math.min(column - 1 - maxExcerpt / 2, line.length - maxExcerpt))
  const before = foreign("source before the mark", line.slice(start, column - 1), "code")
  const after = foreign("source after the mark", line.slice(column - 1, start + maxExcerpt), "code")
  const gutter = text`${number}`
  return text` ${gutter} | ${before}${after}\n ${blank(gutter)} | ${blank(before)}^`
}

/** A place in a source, if it is there: its name, and its line with a caret. */
const place = (
  source: Pick<Source, "label" | "text">,
  { column, line: number }: Location
): Printable | undefined => {
  const line = Places.lines(source.text)[number - 1]
  return line === undefined ? undefined : text`${source.label}:${number}:${column}\n${mark(number, line, column)}`
}

/** Why a cell failed, and the place in its source. */
export const failure = (source: Pick<Source, "label" | "text">, error: CellError): Printable => {
  const why = foreign("error of a cell", error.text, "lines")
  const where = error.location === undefined ? undefined : place(source, error.location)
  return where === undefined ? why : text`${why}\n\n${where}`
}

/** Why a cell is not run: its mistakes, each with its place. */
export const mistakes = (source: Pick<Source, "label" | "text">, findings: ReadonlyArray<Finding>): Printable =>
  join([
    ...findings.map(({ location, text: what }) =>
      text`${foreign("mistake in a cell", what, "lines")}\n${place(source, location) ?? empty}\n\n`
    ),
    findings.length === 1
      ? text`The cell has a mistake, and was not run`
      : text`The cell has ${findings.length} mistakes, and was not run`
  ])
