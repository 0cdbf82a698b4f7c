/**
 * The tools that a server lists, as far as they can be understood.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import { defined } from "../data/Defined.ts"
import * as Cut from "../text/Cut.ts"
import { isObject } from "../text/JsonValue.ts"
import * as Limits from "./Limits.ts"

/** A tool as its server describes it. */
export const ServerTool = Schema.Struct({
  name: Schema.String,
  title: Schema.optionalKey(Schema.NullOr(Schema.String)),
  description: Schema.optionalKey(Schema.NullOr(Schema.String)),
  inputSchema: Schema.optionalKey(Schema.Json),
  outputSchema: Schema.optionalKey(Schema.Json),
  annotations: Schema.optionalKey(Schema.JsonObject)
})
export type ServerTool = typeof ServerTool.Type

/** A listing that grows page by page. */
export interface ToolList {
  readonly tools: Map<string, ServerTool>
  /** What was wrong with it, each for a sentence about the server. */
  readonly warnings: Array<string>
  /** The length of all definitions as JSON, in characters. */
  length: number
}

export const make = (): ToolList => ({ tools: new Map(), warnings: [], length: 0 })

/** How many values a schema has, where it is not nested too deeply. */
const sizeOf = (schema: Schema.Json, depth: number): number => {
  if (typeof schema !== "object" || schema === null) {
    return 1
  }
  if (depth === 0) {
    return Number.POSITIVE_INFINITY
  }
  let size = 1
  for (const each of Object.values(schema)) {
    size += sizeOf(each, depth - 1)
    if (size > Limits.maxSchemaNodes) {
      return Number.POSITIVE_INFINITY
    }
  }
  return size
}

const isWithinBounds = (schema: Schema.Json) => sizeOf(schema, Limits.maxSchemaDepth) <= Limits.maxSchemaNodes

const isSchema = (value: Schema.Json | undefined): value is Schema.Json => isObject(value) || typeof value === "boolean"

const textOf = (value: Schema.Json | undefined, length: number) =>
  typeof value === "string" && value !== "" ? Cut.marked(value, length) : undefined

/** What is left of a definition, or why nothing is. */
const fromValue = (value: unknown, warn: (text: string) => void): ServerTool | string => {
  if (!isObject(value) || typeof value.name !== "string") {
    return "without a name"
  }
  const { annotations, description, execution, name, title } = value
  if (name.length > Limits.maxNameLength) {
    return `with a name of more than ${Limits.maxNameLength} characters`
  }
  if (isObject(execution) && execution.taskSupport === "required") {
    return `${JSON.stringify(name)}, which runs as a task only`
  }
  const schema = (key: "inputSchema" | "outputSchema") => {
    const schema = value[key]
    if (!isSchema(schema)) {
      return undefined
    }
    if (!isWithinBounds(schema)) {
      warn(`the ${key} of its tool ${JSON.stringify(name)} is left out: it is too large, or nested too deeply`)
      return undefined
    }
    return schema
  }
  return {
    name,
    ...defined({
      title: textOf(title, Limits.maxNameLength),
      description: textOf(description, Limits.maxDescriptionLength),
      inputSchema: schema("inputSchema"),
      outputSchema: schema("outputSchema"),
      annotations: isObject(annotations) && isWithinBounds(annotations) ? annotations : undefined
    })
  }
}

/**
 * Adds the tools of a page. A definition that cannot be used costs that tool alone; where there are too many, or they
 * are too long, that is what the result says.
 */
export const add = (self: ToolList, values: ReadonlyArray<unknown>): string | undefined => {
  const warn = (text: string) => {
    self.warnings.push(text)
  }
  for (const value of values) {
    const tool = fromValue(value, warn)
    if (typeof tool === "string") {
      warn(`a tool is left out: one ${tool}`)
      continue
    }
    const json = JSON.stringify(tool)
    const known = self.tools.get(tool.name)
    if (known !== undefined) {
      if (JSON.stringify(known) !== json) {
        warn(`a tool is left out: there already is one with the name ${JSON.stringify(tool.name)}`)
      }
      continue
    }
    self.tools.set(tool.name, tool)
    self.length += json.length
    if (self.tools.size > Limits.maxTools) {
      return `it has more than ${Limits.maxTools.toLocaleString("en")} tools, which is the most that a server may have`
    }
    if (self.length > Limits.maxListingLength) {
      return "the definitions of its tools take more than 64 MiB, which is the most that they may"
    }
  }
}
