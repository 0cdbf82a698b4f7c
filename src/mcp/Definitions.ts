/**
 * The tools of servers as a cell sees them.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { defined } from "../data/Defined.ts"
import type { ToolDefinition, ToolError } from "../Protocol.ts"
import * as Identifier from "../text/Identifier.ts"
import { isObject } from "../text/JsonValue.ts"
import * as Names from "./Names.ts"
import type { ServerTool } from "./ToolList.ts"

export interface DefinedServer {
  readonly namespace: string
  readonly tools: ReadonlyArray<ServerTool>
  readonly resources?: Resources | undefined
}

/** What a server has to read, besides its tools. */
export interface Resources {
  readonly list: Effect.Effect<Schema.Json, ToolError>
  readonly read: (uri: string) => Effect.Effect<Schema.Json, ToolError>
}

/** Moves the references within a schema to where it stands now. */
const relocate = (schema: Schema.Json, pointer: string): Schema.Json =>
  Array.isArray(schema)
    ? schema.map((each) => relocate(each, pointer))
    : isObject(schema)
    ? Object.fromEntries(
      Object.entries(schema).map(([key, value]) =>
        key === "$ref" && typeof value === "string" && value.startsWith("#")
          ? [key, `#${pointer}${value.slice(1)}`]
          : [key, relocate(value, pointer)]
      )
    )
    : schema

/** The schema of a whole result, of which a server describes only the structured content. */
const resultSchema = (structuredContent: Schema.Json | undefined): Schema.Json => ({
  type: "object",
  properties: {
    content: { type: "array", items: { type: "object" } },
    ...(structuredContent === undefined
      ? {}
      : { structuredContent: relocate(structuredContent, "/properties/structuredContent") }),
    isError: { type: "boolean" },
    _meta: { type: "object" }
  },
  required: ["content"]
})

/** What a server says of the effects of a tool. */
const hint = ({ annotations = {} }: ServerTool): string =>
  annotations.readOnlyHint === true ? "(read-only)" : annotations.destructiveHint === true ? "(destructive)" : ""

const hints = {
  readOnlyHint: "readOnly",
  destructiveHint: "destructive",
  idempotentHint: "idempotent",
  openWorldHint: "openWorld"
} as const

/** The same, for what is put around calls. A hint that is not given is not known, whatever its default is. */
const annotationsOf = ({ annotations = {} }: ServerTool): Pick<ToolDefinition, "annotations"> => {
  const known = Object.entries(hints).flatMap(([hint, name]) => {
    const value = annotations[hint]
    return typeof value === "boolean" ? [[name, value] as const] : []
  })
  return known.length === 0 ? {} : { annotations: Object.fromEntries(known) }
}

const definition = (name: string, namespace: string, tool: ServerTool): ToolDefinition => {
  const fullName = namespace + tool.name
  const plainName = Names.identifier(fullName)
  const isRenamed = name !== plainName
  return {
    name: isRenamed ? name : fullName,
    toolName: { name: tool.name, namespace },
    description: [
      tool.description ?? tool.title ?? "",
      hint(tool),
      isRenamed
        ? `(This is the server's tool ${JSON.stringify(tool.name)}, called ${name} as there is another ${plainName}.)`
        : ""
    ].filter((line) => line !== "").join("\n"),
    kind: "function",
    ...defined({ inputSchema: tool.inputSchema }),
    outputSchema: resultSchema(tool.outputSchema),
    ...annotationsOf(tool)
  }
}

// =============================================================================
// Resources
// =============================================================================

const textual = { type: "string" }

/** The schema of a list of objects, which may have more than these members. */
const listOf = (properties: Readonly<Record<string, Schema.Json>>, required: ReadonlyArray<string>): Schema.Json => ({
  type: "array",
  items: { type: "object", properties, required, additionalProperties: true }
})

const listResult: Schema.Json = {
  type: "object",
  properties: {
    resources: listOf({
      uri: textual,
      name: textual,
      title: textual,
      description: textual,
      mimeType: textual,
      size: { type: "number" }
    }, ["uri", "name"]),
    resourceTemplates: listOf({ uriTemplate: textual, name: textual, description: textual }, ["uriTemplate", "name"])
  },
  required: ["resources", "resourceTemplates"]
}

const readResult: Schema.Json = {
  type: "object",
  properties: {
    contents: listOf({
      uri: textual,
      mimeType: textual,
      text: textual,
      blob: { type: "string", contentEncoding: "base64" }
    }, ["uri"])
  },
  required: ["contents"]
}

const uri: Schema.Json = { type: "string", description: "The URI of the resource" }

/** What a cell calls to have a server's resources, under names that its own tools do not have. */
export interface ResourceTools {
  readonly list: string
  readonly read: string
}

export const resourceTools = (tools: ReadonlyArray<ServerTool>): ResourceTools => {
  const taken = new Set(tools.map(({ name }) => name))
  return { list: Identifier.free("list_resources", taken), read: Identifier.free("read_resource", taken) }
}

const resourceDefinitions = ({ namespace, resources, tools }: DefinedServer): ReadonlyArray<ToolDefinition> => {
  if (resources === undefined) {
    return []
  }
  const { list, read } = resourceTools(tools)
  const define = (
    name: string,
    description: string,
    inputSchema: Schema.Json,
    outputSchema: Schema.Json
  ): ToolDefinition => ({
    name: namespace + name,
    toolName: { name, namespace },
    description: `${description}\n(read-only)`,
    kind: "function",
    inputSchema,
    outputSchema,
    annotations: { readOnly: true, idempotent: true }
  })
  return [
    define(
      list,
      "Lists what this server has to read: its resources, and templates for the URIs of others",
      { type: "object", properties: {}, additionalProperties: false },
      listResult
    ),
    define(
      read,
      "Reads a resource of this server",
      { anyOf: [uri, { type: "object", properties: { uri }, required: ["uri"] }] },
      readResult
    )
  ]
}

/** The two tools by which a server's resources are had. */
export interface ResourceAccess {
  readonly list: ToolDefinition
  readonly read: ToolDefinition
}

/** Those among the tools of a delegate, whatever they are called there. */
export const resourceAccessIn = (tools: ReadonlyArray<ToolDefinition>): ReadonlyArray<ResourceAccess> => {
  const readers = new Map(
    tools.filter(({ outputSchema }) => outputSchema === readResult).map((tool) => [tool.toolName.namespace, tool])
  )
  return tools.flatMap((list) => {
    const read = list.outputSchema === listResult ? readers.get(list.toolName.namespace) : undefined
    return read === undefined ? [] : [{ list, read }]
  })
}

// =============================================================================
// All
// =============================================================================

/** The definitions of all tools, with names of which none is another's. */
export const definitions = (servers: ReadonlyArray<DefinedServer>): ReadonlyArray<ToolDefinition> => {
  const tools = servers.flatMap(({ namespace, tools }) => tools.map((tool) => ({ namespace, tool })))
  const resources = servers.flatMap(resourceDefinitions)
  const names = Names.distinct([
    ...tools.map(({ namespace, tool }) => namespace + tool.name),
    ...resources.map(({ name }) => name)
  ])
  return [
    ...tools.map(({ namespace, tool }, index) => definition(names[index]!, namespace, tool)),
    ...resources.map((each, index) => ({ ...each, name: names[tools.length + index]! }))
  ]
}
