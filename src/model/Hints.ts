/**
 * What a model should know besides a cell's output: what went wrong, and which calls had effects already.
 *
 * @internal
 */
import * as Suggestion from "../declarations/Suggestion.ts"
import * as TypeScript from "../declarations/TypeScript.ts"
import type { CellError, Ledger, ToolCallRecord, ToolDefinition } from "../Protocol.ts"
import * as Identifier from "../text/Identifier.ts"

const maxLines = 10

// =============================================================================
// Mistakes
// =============================================================================

const noModules = "There are no modules, no files and no network in a cell: what it reaches are the tools on `tools`."

/** Names that models expect, and what there is instead. */
const missing: Readonly<Record<string, string>> = {
  require: noModules,
  module: noModules,
  exports: noModules,
  process: noModules,
  Buffer: noModules,
  fs: noModules,
  fetch: noModules,
  XMLHttpRequest: noModules,
  WebSocket: noModules,
  window: "A cell runs in no browser: there is no window and no document.",
  document: "A cell runs in no browser: there is no window and no document.",
  console: "There is no console: put things out with text(value).",
  print: "Put things out with text(value).",
  setInterval: "There is no setInterval: call setTimeout again, or loop with await.",
  setImmediate: "There is no setImmediate: use setTimeout(callback, 0).",
  queueMicrotask: "There is no queueMicrotask: use Promise.resolve().then(callback).",
  structuredClone: "There is no structuredClone: use JSON.parse(JSON.stringify(value)).",
  TextEncoder: "There are no encoders in a cell: work with strings.",
  TextDecoder: "There are no encoders in a cell: work with strings.",
  atob: "There is no atob in a cell; text of a tool stays as it is.",
  btoa: "There is no btoa in a cell; image(url) takes data URLs and content blocks of tools as they are.",
  URL: "There is no URL in a cell: work with strings.",
  URLSearchParams: "There is no URLSearchParams in a cell: use encodeURIComponent.",
  crypto: "There is no crypto in a cell; random numbers come from Math.random().",
  performance: "There is no performance in a cell: use Date.now().",
  AbortController: "There is no AbortController in a cell; wait with terminate: true ends a cell."
}

/** What a cell finds that is a function. */
const helpers = new Set(TypeScript.helperNames.filter((name) => name !== "ALL_TOOLS"))

/** What there is instead of a name that models expect. */
export const ofMissingName = (name: string): string | undefined =>
  Object.hasOwn(missing, name) ? missing[name] : undefined

/** The tool that a path of names may mean: `tools.github.search` for `github__search`. */
export const fromPath = (source: string, names: ReadonlyArray<string>): string | undefined => {
  for (const [path, server, tool] of source.matchAll(/\btools\.([\w$]{1,100})\.([\w$]{1,100})\s*\(/g)) {
    if (!names.includes(server!)) {
      const meant = names.find((name) => name === `mcp__${server}__${tool}` || name.endsWith(`${server}__${tool}`)) ??
        Suggestion.nearest(`${server}__${tool}`, names)
      if (meant !== undefined) {
        return `There is no ${path.replace(/\s*\($/, "")}: did you mean tools.${meant}?`
      }
    }
  }
  return undefined
}

const ofTypeError = (message: string, source: string, names: ReadonlyArray<string>): string | undefined => {
  const called = /^tools\.([^\s.()[\]]{1,200}) is not a function/.exec(message)?.[1]
  if (called !== undefined && !names.includes(called)) {
    const meant = Suggestion.nearest(called, names)
    return meant === undefined
      ? `There is no tool ${called}: ALL_TOOLS is the list of them.`
      : `There is no tool ${called}: did you mean tools.${meant}?`
  }
  const shadowed = /^([\w$]{1,40}) is not a function/.exec(message)?.[1]
  if (shadowed !== undefined && helpers.has(shadowed)) {
    return `The source has a variable of its own named ${shadowed}: give it another name, or call globalThis.${shadowed}.`
  }
  if (message.startsWith("Cannot read properties of undefined")) {
    return fromPath(source, names)
  }
  return /^[^(]* is not iterable|\.(?:map|filter|forEach|find|slice|join|length) is not a function/.test(message)
    ? "Tools give promises: await them. What an MCP tool gives is an object { content, structuredContent }."
    : undefined
}

const ofSyntaxError = (message: string, source: string): string | undefined =>
  /\bawait\b/.test(message) || (/missing \) after argument list|Unexpected (?:identifier|reserved)/.test(message) &&
      /\bawait\b/.test(source) && /=>|\bfunction\b/.test(source))
    ? "await may stand at top level and in async functions only: write `async (x) => …`, and await Promise.all(…) of them."
    : undefined

/** What to do about a cell's error, if there is something to say. */
export const ofError = (
  { _tag, location, text }: CellError,
  source: string,
  names: ReadonlyArray<string>
): ReadonlyArray<string> => {
  if (_tag === "LimitExceeded") {
    return []
  }
  if (text.startsWith("Unsupported import in exec: ") || text.startsWith("unsupported import in exec")) {
    return [noModules]
  }
  const [, kind, message] = /^(\w{1,40}): ([^\n]{0,1000})/.exec(text) ?? []
  const place = location === undefined || text.includes("exec_main.mjs:")
    ? []
    : [`(It is at line ${location.line}, column ${location.column}.)`]
  if (kind === undefined || message === undefined) {
    return place
  }
  const name = /^([\w$]{1,40}) is not defined/.exec(message)?.[1]
  const hint = kind === "ReferenceError" && name !== undefined
    ? ofMissingName(name) ?? (names.includes(name)
      ? `Tools are members of \`tools\`: call tools.${name}.`
      : undefined)
    : kind === "TypeError"
    ? ofTypeError(message, source, names)
    : kind === "SyntaxError"
    ? ofSyntaxError(message, source)
    : undefined
  return hint === undefined ? place : [...place, hint]
}

// =============================================================================
// Calls
// =============================================================================

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

const callsOf = (calls: ReadonlyArray<ToolCallRecord>): string => {
  const names = Array.from(new Set(calls.map(({ tool }) => `tools.${Identifier.fromName(tool)}`)))
  const more = names.length - maxLines
  return `${names.slice(0, maxLines).join(", ")}${more > 0 ? ` and ${more} more` : ""}`
}

const countOf = ({ length }: ReadonlyArray<unknown>) => length === 1 ? "A call" : `${length} calls`

/** What a cell that came to its end left behind: calls that were stopped, and calls that did not succeed. */
export const ofLeftovers = ({ calls }: Ledger): ReadonlyArray<string> => {
  const say = (which: ToolCallRecord["state"], what: string, advice = "") => {
    const found = calls.filter(({ state }) => state === which)
    return found.length === 0 ? [] : [`${countOf(found)} ${what}: ${callsOf(found)}.${advice}`]
  }
  return [
    ...say(
      "Interrupted",
      "had no answer when the script ended, and may have had an effect",
      " Put await before every call."
    ),
    ...say("NotStarted", "did nothing, refused or too late"),
    ...say("Failed", "failed, whether or not the script has noticed")
  ]
}

/** Calls that wait for a person. */
export const ofApprovals = ({ calls }: Ledger): string | undefined => {
  const waiting = calls.filter(({ state }) => state === "AwaitingApproval")
  return waiting.length === 0
    ? undefined
    : `${countOf(waiting)} will go on when a person agrees: ${
      callsOf(waiting)
    }. Until then there is nothing to do but wait.`
}

export const nothingPutOut = "The cell put out nothing. Call text(value) with what you want to see."

/** The error of a cell that was ended because it could never go on. */
export const stalled = "the script waits for something that cannot come: a promise that nothing will settle. " +
  "It was ended, and what it stored is dropped. Await tool calls and timers, and promises that these settle."
