/**
 * What models put around a source: a Markdown fence, or JSON.
 *
 * @internal
 */
import { attempt } from "../data/Attempt.ts"

const fenceOf = (line: string): string | undefined => /^\s{0,3}(`{3,}|~{3,})[^`]*$/.exec(line)?.[1]

const isBlank = (line: string) => line.trim() === ""

/** The source of a text that begins with a fence, which V8 would take for a template with a tag. */
const fromLeadingFence = (input: string): string | undefined => {
  const lines = input.split("\n")
  const first = lines.findIndex((line) => !isBlank(line))
  const fence = fenceOf(lines[first] ?? "")
  if (fence === undefined) {
    return undefined
  }
  const code = lines.slice(first + 1)
  const last = code.findLastIndex((line) => !isBlank(line))
  const end = (code[last] ?? "").trimEnd()
  return end.endsWith(fence)
    ? [...code.slice(0, last), end.slice(0, -fence.length)].join("\n").trimEnd()
    : code.join("\n")
}

/** The source of the one fence among words. A text that is JavaScript has no such lines outside of templates. */
export const fromWords = (input: string): string | undefined => {
  const lines = input.split("\n")
  const fences = lines.flatMap((line, index) => fenceOf(line) === undefined ? [] : [index])
  const [first, last, ...others] = fences
  return first === undefined || last === undefined || others.length > 0
    ? undefined
    : lines.slice(first + 1, last).join("\n")
}

const names = new Set(["source", "code", "input", "script", "javascript", "js"])

const fromJson = (input: string): string | undefined => {
  const trimmed = input.trim()
  if (!(trimmed.startsWith("{") && trimmed.endsWith("}") || trimmed.startsWith("\"") && trimmed.endsWith("\""))) {
    return undefined
  }
  const value = attempt((): unknown => JSON.parse(trimmed)) ?? {}
  if (typeof value === "string") {
    // A short one may be a directive, or a value.
    return /[\n;(]/.test(value) ? value : undefined
  }
  const [entry, ...others] = Object.entries(value)
  return entry !== undefined && others.length === 0 && names.has(entry[0]) && typeof entry[1] === "string"
    ? entry[1]
    : undefined
}

/** The source itself. */
export const unwrap = (input: string): string => {
  const source = fromJson(input) ?? input
  return fromLeadingFence(source) ?? source
}
