/**
 * What is typed at the prompt, and whether it is all of it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { Script } from "node:vm"
import type { CellRequest, Location } from "../../Protocol.ts"
import * as StripTypes from "../../session/StripTypes.ts"
import * as Value from "../report/Value.ts"

/** The line of a source where it stops making sense, if it does. Nothing is run. */
const brokenLine = (before: string, source: string, after: string): number | undefined => {
  try {
    void new Script(`${before}\n${source}\n${after}`, { filename: "input", lineOffset: -1 })
    return undefined
  } catch (error) {
    return Number(/^input:(?<line>\d+)/.exec((error as Error).stack ?? "")?.groups?.line ?? 1)
  }
}

/**
 * Whether more has to come. The source stands in a function here; where only the end of that function makes no sense,
 * the source's own end is missing. Or that of a comment is.
 */
export const isIncomplete = (source: string): boolean => {
  const broken = brokenLine("(async () => {", source, "})")
  return broken !== undefined &&
    (broken > source.split("\n").length || brokenLine("(async () => {", source, "*/})") === undefined)
}

/** Shows a value where `text` would not tell much of it, with something before what is not JSON, and before what is. */
const makeShow = (plain: string, json: string) =>
  `const __show = (value) => typeof value !== "object" || value === null || value instanceof Error
  ? ${JSON.stringify(plain)} + String(value)
  : ${JSON.stringify(json)} + JSON.stringify(value, (_, each) =>
    typeof each === "bigint" ? each + "n" : each instanceof Map || each instanceof Set ? [...each] : each)`

/** For a program, which gets the whole value. */
const showAll = makeShow("", "")

/** For a person: see `Value.show`. */
const showPretty = makeShow(`${Value.mark}s`, `${Value.mark}j`)

/** How many lines of a cell come before what was typed. */
const linesBefore = showAll.split("\n").length + 1

export interface Cell {
  readonly source: string
  readonly language?: CellRequest["language"]
  /** What the cell's error says, in terms of what was typed. */
  readonly explain: (text: string) => string
  /** Where a place of the source is in what was typed; nothing where it is not in it. */
  readonly locate: (place: Location) => Location | undefined
}

const asTyped = { explain: (text: string) => text, locate: (place: Location) => place }

const frame = /(?<before>\bexec_main\.mjs:)(?<line>\d+)(?<after>:\d+)/

/** Takes the lines that are not the typed ones out of a stack, and counts the others anew. */
const explain = (count: number) => (text: string): string =>
  text.split("\n").filter((each) => {
    const line = Number(frame.exec(each)?.groups?.line ?? Number.NaN) - linesBefore
    return Number.isNaN(line) || (line >= 1 && line <= count)
  }).map((each) =>
    each.replace(frame, (_, before: string, line: string, after: string) =>
      `${before}${Number(line) - linesBefore}${after}`)
  ).join("\n")

/** A cell for what was typed: an expression shows its value, to a person or whole. */
export const toCell = (source: string, forPerson = false): Cell =>
  source.trim() !== "" && brokenLine("(async () => (", source, "))") === undefined
    ? {
      source: `${
        forPerson ? showPretty : showAll
      }\nconst __value = await (\n${source}\n); if (__value !== undefined) text(__show(__value))`,
      explain: explain(source.split("\n").length),
      locate: ({ column, line }) => {
        const typed = line - linesBefore
        return typed >= 1 && typed <= source.split("\n").length ? { line: typed, column } : undefined
      }
    }
    : { source, ...asTyped }

const isJavaScript = (source: string) => brokenLine("(async () => {", source, "})") === undefined

/** JavaScript takes a call with a type for comparisons. */
const mayHaveTypes = (source: string) => /[\w$]\s*<[^=<>]+>\s*\(/.test(source)

/**
 * A cell for what was typed, in TypeScript or JavaScript; nothing while more has to come. The types are taken out here,
 * because an expression shows its value.
 */
export const read = (source: string, forPerson: boolean): Effect.Effect<Cell | undefined> => {
  if (isIncomplete(source)) {
    return Effect.succeed(undefined)
  }
  const plain = toCell(source, forPerson)
  return isJavaScript(source) && !mayHaveTypes(source) ? Effect.succeed(plain) : StripTypes.strip(source).pipe(
    Effect.map((result): Cell | undefined =>
      "source" in result
        ? toCell(result.source, forPerson)
        : isJavaScript(source)
        ? plain
        : /Unexpected eof|got '<eof>'|Unterminated (?:template|block comment)/.test(result.text)
        ? undefined
        : result.text.includes("strip-only mode")
        ? { source, language: "typescript", ...asTyped }
        // The engine says better what is wrong with it.
        : plain
    ),
    Effect.orElseSucceed(() => plain)
  )
}
