/**
 * The definitions of tools that have names, and no namespace.
 *
 * @internal
 */
import type * as Schema from "effect/Schema"
import { defined } from "../data/Defined.ts"
import type { ToolAnnotations, ToolDefinition } from "../Protocol.ts"
import * as Identifier from "../text/Identifier.ts"

export interface Described {
  readonly description: string
  readonly inputSchema: Schema.Json
  readonly outputSchema?: Schema.Json
  readonly annotations?: ToolAnnotations
}

export const definition = (
  name: string,
  { annotations, description, inputSchema, outputSchema }: Described
): ToolDefinition => ({
  name,
  toolName: { name, namespace: null },
  description,
  kind: "function",
  inputSchema,
  ...defined({ outputSchema, annotations })
})

/** Tools whose keys come out alike as identifiers are told apart: an exact one stays, another one is `KEY_2`, and says so. */
export const distinct = (tools: Readonly<Record<string, Described>>): ReadonlyArray<ToolDefinition> => {
  const entries = Object.entries(tools)
  const names = Identifier.distinct(entries.map(([key]) => key))
  return entries.map(([key, tool], index) => {
    const name = names[index]!
    const plain = definition(key, tool)
    return name === Identifier.fromName(key)
      ? plain
      : { ...plain, name, description: `${plain.description}\n(This is ${JSON.stringify(key)}.)`.trimStart() }
  })
}
