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
import type { CellError, OutputItem, ToolError } from "../Protocol.ts"
import type { Source } from "./Source.ts"

// =============================================================================
// Output
// =============================================================================

const dataUrl = /^data:(?<type>[^;,]*)[^,]*?(?<base64>;base64)?,(?<data>[^]*)$/i

const bytes = (size: number) =>
  size < 1000 ? `${size} B` : size < 1e6 ? `${(size / 1e3).toFixed(1)} kB` : `${(size / 1e6).toFixed(1)} MB`

const media = (kind: string, url: string) => {
  const { base64, data = "", type = "" } = dataUrl.exec(url)?.groups ?? {}
  const size = Buffer.byteLength(data, base64 === undefined ? "utf8" : "base64")
  return `[${kind} ${type === "" ? "of unknown type" : type}, ${bytes(size)}]`
}

const line = (text: string) => text.endsWith("\n") ? text : `${text}\n`

/** An item of output as a line. Text stays as it is; of an image or a recording there is only a note. */
export const item = (self: OutputItem): string => {
  switch (self.type) {
    case "input_text":
      return line(self.text)
    case "input_image":
      return line(media("image", self.image_url))
    case "input_audio":
      return line(media("audio", self.audio_url))
  }
}

// =============================================================================
// Tool calls
// =============================================================================

const maxSummary = 200

/** Foreign text as one short line that cannot steer the terminal. */
const summary = (text: string) => {
  const flat = stripVTControlCharacters(text).replace(/[\s\p{Cc}]+/gu, " ").trim()
  return flat.length > maxSummary ? `${flat.slice(0, maxSummary)}…` : flat
}

const duration = (millis: number) => millis < 1000 ? `${Math.round(millis)} ms` : `${(millis / 1000).toFixed(1)} s`

/** The text of a result that says it is an error. */
const errorResult = (result: Schema.Json): string | undefined => {
  if (!Predicate.isObject(result) || result.isError !== true) {
    return undefined
  }
  const content: ReadonlyArray<unknown> = Array.isArray(result.content) ? result.content : []
  return content.flatMap((block) => Predicate.hasProperty(block, "text") ? String(block.text) : []).join(" ")
}

const outcome = (exit: Exit.Exit<Schema.Json, ToolError>): string => {
  if (Exit.isSuccess(exit)) {
    const error = errorResult(exit.value)
    return error === undefined ? "ok" : `error: ${summary(error)}`
  }
  return Option.match(Cause.findErrorOption(exit.cause), {
    onNone: () => Cause.hasInterruptsOnly(exit.cause) ? "cancelled" : "crashed",
    onSome: (error) => `failed: ${summary(error.text)}`
  })
}

/** A tool call that is over, as a line. */
export const toolCall = (name: string, millis: number, exit: Exit.Exit<Schema.Json, ToolError>): string =>
  `${name}  ${duration(millis)}  ${outcome(exit)}`

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
export const failure = (source: Source, error: CellError): string => {
  const { location, text } = error
  const place = location === undefined ? undefined : source.text.split(/\r\n|[\n\r\u2028\u2029]/)[location.line - 1]
  return location === undefined || place === undefined
    ? text
    : `${text}\n\n${source.label}:${location.line}:${location.column}\n${mark(location.line, place, location.column)}`
}
