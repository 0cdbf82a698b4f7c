/**
 * What a model is told of `exec` and `wait`: the limits, helpers and tools of its session as they are.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Summary from "../declarations/Summary.ts"
import * as TypeScript from "../declarations/TypeScript.ts"
import type { Limits, ToolDefinition } from "../Protocol.ts"
import * as Identifier from "../text/Identifier.ts"

export interface Facts {
  readonly tools: ReadonlyArray<ToolDefinition>
  readonly instructions: ReadonlyMap<string, string>
  readonly limits: Limits
  readonly yieldTime: Duration.Duration
  readonly maxOutputTokens: number
  /** Tools are declared in full up to this many characters, and listed by name beyond. */
  readonly maxDeclarations: number
}

const bound = (facts: ReadonlyArray<readonly [name: string, value: string | undefined]>) =>
  facts.flatMap(([name, value]) => value === undefined ? [] : [`${name} ${value}`]).join(", ")

const time = (value: Duration.Duration) => Duration.isFinite(value) ? Duration.format(value) : undefined

const mebibytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`

const listed = (tools: ReadonlyArray<ToolDefinition>): string => {
  const names = tools.map(({ description, name }) =>
    `- tools.${Identifier.fromName(name)}: ${Summary.fromDescription(description)}`
  )
  return [
    "There are too many tools to declare here. ALL_TOOLS in a cell has all of them, as { name, description }.",
    ...tools.some(({ name }) => name === "describe")
      ? ["await tools.search(query) finds some, and await tools.describe(name) gives the declaration of one."]
      : [],
    ...names
  ].join("\n")
}

const declared = ({ instructions, maxDeclarations, tools }: Facts): string => {
  if (tools.length === 0) {
    return "This session has no tools."
  }
  const declarations = TypeScript.declarations(tools, instructions)
  return declarations.length <= maxDeclarations ? `\`\`\`ts\n${declarations.trim()}\n\`\`\`` : listed(tools)
}

/** How to write a cell. */
export const ofExec = (facts: Facts): string => {
  const { limits, maxOutputTokens, yieldTime } = facts
  const limited = bound([
    ["memory", mebibytes(limits.maxHeapSizeBytes)],
    ["source", mebibytes(limits.maxSourceBytes)],
    ["processor time", time(limits.maxCpuTime)],
    ["time", time(limits.maxWallTime)]
  ])
  return [
    "Runs JavaScript that calls tools, many at a time, and works on their results before you see them.",
    [
      "- Pass the source as it is: an async module with top-level `await`. No JSON, no quotes, no Markdown fence.",
      "- A tool is called as `await tools.NAME(argument)`. Run independent calls together with `Promise.all`.",
      "- You see only what you put out: `text(value)`, `image(url or block)`, `audio(url or block)`, `content(result)`.",
      "- A tool that fails rejects its promise with a string: in `catch (e)`, use `String(e)`.",
      "- Await every call. When the script ends, calls without an answer are stopped.",
      "- Variables are gone with the cell. `store(key, value)` and `load(key)` keep JSON for later cells.",
      "- `notify(text)` tells the host something at once; `yield_control()` gives you the output so far; `exit()` ends the cell.",
      "- There is no Node, no file system, no network and no `import`. `console.log` puts out text.",
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
export const ofWait = ({ maxOutputTokens }: Pick<Facts, "maxOutputTokens">): string =>
  [
    "Waits for a cell that `exec` left running, and gives its output since then.",
    "- `cell_id` is the one that `exec` gave.",
    "- Without `yield_time_ms` it waits until the cell ends, yields, or can never go on.",
    `- \`max_tokens\` bounds the output that you see; ${maxOutputTokens} without it.`,
    "- `terminate: true` ends the cell, and gives what it has put out."
  ].join("\n")
