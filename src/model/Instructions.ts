/**
 * What a model is told of `exec` and `wait`: the limits, helpers and tools of its session as they are.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Summary from "../declarations/Summary.ts"
import * as TypeScript from "../declarations/TypeScript.ts"
import { Limits, type ToolDefinition } from "../Protocol.ts"
import * as Identifier from "../text/Identifier.ts"

export interface Facts {
  /** What a cell may call. */
  readonly tools: ReadonlyArray<ToolDefinition>
  /** Those of them that are told of. */
  readonly shown: ReadonlyArray<ToolDefinition>
  readonly instructions: ReadonlyMap<string, string>
  readonly limits: Limits
  readonly yieldTime: Duration.Duration
  readonly maxWait: Duration.Duration
  readonly maxOutputTokens: number
  /** Tools are declared in full up to this many characters, and listed by name beyond. */
  readonly maxDeclarations: number
  readonly language: "javascript" | "typescript"
  readonly console: boolean
  /** Whether a source is checked before it runs. */
  readonly isChecked: boolean
}

/** What is said of the tools where no session is there to describe them. */
export const briefExec = "Runs JavaScript that calls tools: `await tools.NAME(argument)`. Only what is passed to " +
  "`text(value)` is seen. `ALL_TOOLS` has the tools, as { name, description }."

export const briefWait = "Waits for a cell that `exec` left running, and gives its output since then."

const bound = (facts: ReadonlyArray<readonly [name: string, value: string | undefined]>) =>
  facts.flatMap(([name, value]) => value === undefined ? [] : [`${name} ${value}`]).join(", ")

const time = (value: Duration.Duration) => Duration.isFinite(value) ? Duration.format(value) : undefined

/** What a bound of 0 stands for. */
const defaultHeapBytes = Limits.make({}).maxHeapSizeBytes

const mebibytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`

// =============================================================================
// Tools
// =============================================================================

const isFinder = (base: string) => {
  const pattern = new RegExp(`^${base}(?:_\\d+)?$`)
  return ({ name, toolName }: ToolDefinition) => toolName.namespace === null && pattern.test(name)
}

/** The tools of a `Catalogue`, if the session has one. They stand behind all others. */
export const findersIn = (tools: ReadonlyArray<ToolDefinition>) => {
  const search = tools.findLast(isFinder("search"))
  const describe = tools.findLast(isFinder("describe"))
  return search === undefined || describe === undefined ? undefined : { search, describe }
}

/** The declarations of the tools, where they are short enough to be shown in full. */
export const declarations = ({ maxDeclarations, shown }: Pick<Facts, "shown" | "maxDeclarations">) => {
  const all = TypeScript.declarations(shown)
  return all.length <= maxDeclarations ? all : undefined
}

/** The description of a tool, with how to call it. */
export const withSignature = (tool: ToolDefinition): string =>
  `${tool.description}\n\n${TypeScript.signature(tool)}`.trimStart()

const code = (text: string) => `\`\`\`ts\n${text.trim()}\n\`\`\``

const howToFind = (tools: ReadonlyArray<ToolDefinition>): string => {
  const finders = findersIn(tools)
  return finders === undefined
    ? "ALL_TOOLS in a cell has all of them, as { name, description }; the description says how to call it. Look there " +
      "first, as in `text(ALL_TOOLS.filter(({ name, description }) => /issue/i.test(name + description)))`."
    : `In a cell, \`text(await tools.${finders.search.name}("what it should do"))\` finds some, and ` +
      `\`text(await tools.${finders.describe.name}("name"))\` says how to call one. Look before you call.`
}

const summarized = (tools: ReadonlyArray<ToolDefinition>): string =>
  tools.map(({ description, name }) => {
    const summary = Summary.fromDescription(description)
    return `- tools.${Identifier.fromName(name)}${summary === "" ? "" : `: ${summary}`}`
  }).join("\n")

const maxNamespaces = 50

const counted = (tools: ReadonlyArray<ToolDefinition>): string => {
  const counts = new Map<string, number>()
  for (const { toolName } of tools) {
    const namespace = toolName.namespace ?? "(no server)"
    counts.set(namespace, (counts.get(namespace) ?? 0) + 1)
  }
  const lines = Array.from(counts, ([namespace, count]) => `- ${namespace}: ${count}`)
  return [...lines.slice(0, maxNamespaces), ...lines.length > maxNamespaces ? ["- …"] : []].join("\n")
}

/** Tools as far as there is room: with a sentence each, or their names, or how many there are of each server. */
const listed = ({ maxDeclarations, shown, tools }: Facts): string => {
  const finders = findersIn(tools)
  const own = finders === undefined ? [] : [finders.search, finders.describe]
  const others = shown.filter((tool) => !own.includes(tool))
  const names = others.map(({ name }) => Identifier.fromName(name)).join(", ")
  const sentences = summarized(others)
  return [
    `There are ${tools.length} tools, too many to declare here. ${howToFind(tools)}`,
    ...own.length === 0 ? [] : [code(TypeScript.declarations(own))],
    sentences.length <= maxDeclarations ? sentences : names.length <= maxDeclarations ? names : counted(others)
  ].join("\n")
}

const declared = (facts: Facts): string => {
  const { instructions, maxDeclarations, shown, tools } = facts
  if (tools.length === 0) {
    return "This session has no tools."
  }
  const plain = declarations(facts)
  if (plain === undefined) {
    return listed(facts)
  }
  // What servers say of their tools comes along where there is room.
  const told = TypeScript.declarations(shown, instructions)
  const more = tools.length - shown.length
  return [
    ...shown.length === 0 ? [] : [code(told.length <= maxDeclarations ? told : plain)],
    ...more === 0 ? [] : [`There ${more === 1 ? "is one more tool" : `are ${more} more tools`}. ${howToFind(tools)}`]
  ].join("\n")
}

// =============================================================================
// Texts
// =============================================================================

/** How to write a cell. */
export const ofExec = (facts: Facts): string => {
  const { console, isChecked, language, limits, maxOutputTokens, yieldTime } = facts
  const limited = bound([
    ["memory", mebibytes(limits.maxHeapSizeBytes === 0 ? defaultHeapBytes : limits.maxHeapSizeBytes)],
    ["source", mebibytes(limits.maxSourceBytes)],
    ["processor time", time(limits.maxCpuTime)],
    ["time", time(limits.maxWallTime)]
  ])
  return [
    "Runs JavaScript that calls tools, many at a time, and works on their results before you see them.",
    [
      `- Pass the source as it is: ${
        language === "typescript" ? "TypeScript (types only, no `enum`), " : ""
      }an async module with top-level \`await\`. No JSON, no quotes, no Markdown fence.`,
      "- A tool is called as `await tools.NAME(argument)`. Run independent calls together with `Promise.all`.",
      "- You see only what you put out: `text(value)`, `image(url or block)`, `audio(url or block)`, `content(result)`.",
      "- A tool that fails rejects with an Error, and `message` says why. A result of an MCP server with `isError: true` does not reject.",
      "- Await every call. When the script ends, calls without an answer are stopped.",
      "- Variables are gone with the cell. `store(key, value)` and `load(key)` keep JSON for later cells.",
      "- `notify(text)` tells the host something at once; `yield_control()` gives you the output so far; `exit()` ends the cell.",
      `- There is no Node, no file system, no network and no \`import\`. ${
        console ? "`console.log` puts out text." : "There is no `console`."
      }`,
      ...isChecked ? ["- The source is checked against these types first. With a mistake, nothing of it runs."] : [],
      `- A cell that runs for ${
        Duration.format(yieldTime)
      } gives you its output so far and its id; go on with \`wait\`.`,
      `- Output is cut in the middle past ${maxOutputTokens} tokens: put out what you need, and no more.`,
      "- A first line `// @exec: {\"yield_time_ms\": 10000, \"max_output_tokens\": 1000}` sets both for this cell.",
      `- Bounds of a cell: ${limited}.`
    ].join("\n"),
    `Helpers:\n\`\`\`ts\n${TypeScript.cellTypes.trim()}\n\`\`\``,
    `Tools:\n${declared(facts)}`
  ].join("\n\n")
}

/** How to go on with a cell. */
export const ofWait = ({ maxOutputTokens, maxWait }: Pick<Facts, "maxOutputTokens" | "maxWait">): string =>
  [
    "Waits for a cell that `exec` left running, and gives its output since then.",
    "- `cell_id` is the one that `exec` gave.",
    `- Without \`yield_time_ms\` it waits until the cell ends or yields, ${
      Duration.format(maxWait)
    } at most. With it, at most so long; the cell goes on.`,
    `- \`max_tokens\` bounds the output that you see; ${maxOutputTokens} without it.`,
    "- `terminate: true` ends the cell, and gives what it has put out."
  ].join("\n")
