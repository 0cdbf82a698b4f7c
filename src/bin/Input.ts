/**
 * What is typed at the prompt, and whether it is all of it.
 *
 * @internal
 */
import { Script } from "node:vm"

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

/** A cell for what was typed: an expression shows its value. */
export const toCell = (source: string): string =>
  source.trim() !== "" && brokenLine("(async () => (", source, "))") === undefined
    ? `const value = await (\n${source}\n); if (value !== undefined) text(value)`
    : source
