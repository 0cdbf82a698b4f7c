/**
 * `search`: a model looks for tools before it writes a cell.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import * as Catalogue from "../Catalogue.ts"
import * as Summary from "../declarations/Summary.ts"
import * as TypeScript from "../declarations/TypeScript.ts"
import type { ToolDefinition } from "../Protocol.ts"
import * as Identifier from "../text/Identifier.ts"
import * as Bounds from "./Bounds.ts"

const defaultLimit = 8
const maxLimit = 50

export const Input = Schema.Struct({
  query: Schema.String.check(Schema.isMaxLength(1000)).annotate({
    description: "What the tools should do, in a few words"
  }),
  limit: Schema.optionalKey(
    Schema.NullOr(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxLimit }))).annotate({
      description: `How many tools to find: ${defaultLimit}, unless given`
    })
  )
})

export const description = (tools: ReadonlyArray<ToolDefinition>): string =>
  [
    "Finds tools that a cell can call, by what they do, and gives their declarations in TypeScript: the ones that fit",
    `best come first. Search before you write a cell with tools that you do not know. There are ${tools.length} tools.`
  ].join(" ")

const line = ({ description, name }: ToolDefinition) =>
  `// tools.${Identifier.fromName(name)}: ${Summary.fromDescription(description)}`

/** What a model gets: declarations as far as there is room, and a line for every other tool. */
export const answer = (tools: ReadonlyArray<ToolDefinition>, { limit, query }: typeof Input.Type): string => {
  const found = Catalogue.find(tools, query, limit ?? defaultLimit)
  if (found.length === 0) {
    const servers = new Set(tools.map(({ toolName }) => toolName.namespace ?? toolName.name))
    return `No tool fits. There are ${tools.length} tools, of ${Array.from(servers).slice(0, 50).join(", ")}.`
  }
  let shown = found
  while (shown.length > 1 && TypeScript.declarations(shown).length > Bounds.maxFound) {
    shown = shown.slice(0, -1)
  }
  return [TypeScript.declarations(shown).trim(), ...found.slice(shown.length).map(line)].join("\n")
}
