/**
 * The value of an expression at a prompt, for a person: over several lines, cut where it is long, with a note in place of
 * an image or a recording.
 *
 * @internal
 */
import * as Predicate from "effect/Predicate"
import { inspect } from "node:util"
import * as Cut from "../../text/Cut.ts"
import * as Media from "./Media.ts"
import * as Render from "./Render.ts"

const maxLines = 100
const maxCharacters = 10_000

/** What stands in front of a value that a cell hands to its prompt. It is not shown. */
export const mark = "\u0001value:"

/** What is shown as it is. */
class Note {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  [inspect.custom]() {
    return this.text
  }
}

const noteOf = ({ bytes, mediaType }: Pick<Media.Media, "bytes" | "mediaType">, type = mediaType) => {
  const kind = /^image/i.test(type) ? "image" : /^audio/i.test(type) ? "audio" : "data"
  return new Note(`[${Render.media({ kind, mediaType, bytes }).toString()}]`)
}

const isText = (value: unknown): value is string => typeof value === "string"

const isDataUrl = (value: unknown): value is string => isText(value) && /^data:[^,]{0,200};base64,/i.test(value)

const noteOfUrl = (url: string) => noteOf(Media.fromItem({ type: "input_image", image_url: url }))

/** Blocks of MCP results and data URLs become notes. */
const replace = (_: string, value: unknown): unknown => {
  if (isDataUrl(value)) {
    return noteOfUrl(value)
  }
  if (!Predicate.isObject(value)) {
    return value
  }
  const { blob, data, type, uri } = value
  const mediaType = isText(value.mimeType) ? value.mimeType : ""
  return (type === "image" || type === "audio") && isText(data)
    ? noteOf({ mediaType, bytes: Buffer.from(data, "base64") }, type)
    : isText(blob) && isText(uri)
    ? { ...value, blob: noteOf({ mediaType, bytes: Buffer.from(blob, "base64") }) }
    : value
}

/** As much of the text as a person reads, and how much more there is. */
const cut = (text: string): string => {
  const short = Cut.within(text, maxCharacters)
  const lines = short.split("\n")
  if (lines.length > maxLines) {
    const shown = lines.slice(0, maxLines).join("\n")
    return `${shown}\n… ${text.slice(shown.length + 1).split("\n").length} more lines`
  }
  return short.length < text.length ? `${short}\n… ${text.length - short.length} more characters` : text
}

const pretty = (json: string): string | undefined => {
  try {
    return inspect(JSON.parse(json, replace), {
      depth: 8,
      maxArrayLength: 100,
      maxStringLength: 1000,
      breakLength: 100
    })
  } catch {
    // It is not JSON, or nests too deeply.
    return undefined
  }
}

/** The text of a cell's output; where it is a value for the prompt, as a person reads it. */
export const show = (output: string): string => {
  if (!output.startsWith(mark)) {
    return output
  }
  const value = output.slice(mark.length + 1)
  const isJson = output[mark.length] === "j"
  return cut((isJson ? pretty(value) : isDataUrl(value) ? noteOfUrl(value).text : undefined) ?? value)
}
