/**
 * What a model should know besides a cell's output: what went wrong, and which calls had effects already.
 *
 * @internal
 */
import * as Suggestion from "../declarations/Suggestion.ts"
import type { Ledger, ToolCallRecord, ToolDefinition } from "../Protocol.ts"
import * as Identifier from "../text/Identifier.ts"

const maxLines = 10

const missing: ReadonlyArray<readonly [pattern: RegExp, hint: string]> = [
  [
    /\b(?:require|process|Buffer|__dirname|module|fetch|XMLHttpRequest|crypto|URL|performance|window|document) is not defined/,
    "There is no Node, no network and no file system here: use the tools."
  ],
  [/import|module/i, "Modules cannot be imported here: use the tools and the global helpers."],
  [
    /Cannot read properties of undefined|is not a function/,
    "Tools are called by their full name: see ALL_TOOLS, a list of { name, description }."
  ]
]

/** One line on a cell's error, where it can be said what to do. */
const ofMistake = (error: string): string | undefined => {
  const [first = ""] = error.split("\n", 1)
  return missing.find(([pattern]) => pattern.test(first))?.[1]
}

/** The text of a cell's error, with a line on what to do where that is known. */
export const explain = (error: string, tools: ReadonlyArray<ToolDefinition>): string => {
  const explained = Suggestion.explain(error, tools.map(({ name }) => Identifier.fromName(name)))
  const hint = explained === error ? ofMistake(error) : undefined
  return hint === undefined ? explained : `${explained}\n${hint}`
}

/** Under which name a source catches what it then asks for a `message`. */
export const caughtMessage = (source: string): string | undefined => {
  const name = /catch\s*\(\s*(?<name>[\w$]+)\s*\)/.exec(source)?.groups?.name
  return name !== undefined && source.includes(`${name}.message`) ? name : undefined
}

/** What a tool rejects with is a string, and has no `message`. */
export const ofMessage = (caught: string | undefined, { calls }: Ledger): string | undefined =>
  caught !== undefined && calls.some(({ state }) => state === "Failed")
    ? `A tool that fails rejects with a string: write String(${caught}), and not ${caught}.message.`
    : undefined

const states: Readonly<Partial<Record<ToolCallRecord["state"], string>>> = {
  Succeeded: "succeeded",
  Failed: "failed, and may have done part of its work",
  Interrupted: "was stopped, with unknown effect"
}

const lines = (calls: ReadonlyArray<ToolCallRecord>, omitted: number): ReadonlyArray<string> => {
  const counts = new Map<string, number>()
  for (const { state, tool } of calls) {
    const line = `- tools.${Identifier.fromName(tool)} ${states[state]}`
    counts.set(line, (counts.get(line) ?? 0) + 1)
  }
  const all = Array.from(counts, ([line, count]) => count === 1 ? line : `${line} (${count} times)`)
  const more = all.length - maxLines
  return [
    ...all.slice(0, maxLines),
    ...more > 0 ? [`- … and ${more} more`] : [],
    ...omitted > 0 ? [`- … and ${omitted} earlier calls`] : []
  ]
}

/** The calls of a cell that did not end well which may have changed something. */
export const ofEffects = ({ calls, omitted }: Ledger, tools: ReadonlyArray<ToolDefinition>): string | undefined => {
  const readOnly = new Set(tools.filter(({ annotations }) => annotations?.readOnly === true).map(({ name }) => name))
  const effects = calls.filter(({ state, tool }) => states[state] !== undefined && !readOnly.has(tool))
  return effects.length === 0 ? undefined : [
    "Calls that were made before that; do not repeat those whose effect is there:",
    ...lines(effects, omitted)
  ].join("\n")
}

/** Calls that a cell which completed did not wait for. */
export const ofUnawaited = ({ calls }: Ledger): string | undefined => {
  const stopped = calls.filter(({ state }) => state === "Interrupted" || state === "NotStarted")
  const names = Array.from(new Set(stopped.map(({ tool }) => `tools.${Identifier.fromName(tool)}`)))
  return stopped.length === 0
    ? undefined
    : `${
      stopped.length === 1 ? "A call was" : `${stopped.length} calls were`
    } not awaited, and stopped when the script ` +
      `ended: ${names.slice(0, maxLines).join(", ")}. Put await before them.`
}

export const nothingPutOut = "The cell put out nothing. Call text(value) with what you want to see."

export const stalled = "The cell can never go on: it waits for something that does not come. Terminate it."
