/**
 * Tools as TypeScript, for those who write calls of them: models and people.
 *
 * @internal
 */
import type * as Schema from "effect/Schema"
import { stripVTControlCharacters } from "node:util"
import type { ToolDefinition } from "../Protocol.ts"
import * as Identifier from "../text/Identifier.ts"
import { isObject } from "../text/JsonValue.ts"
import * as Places from "../text/Places.ts"
import * as JsonSchema from "./JsonSchema.ts"
import * as SchemaComment from "./SchemaComment.ts"

type Json = Schema.Json
type JsonObject = Schema.JsonObject

/** The type of the values that a JSON schema accepts. */
export const fromJsonSchema = (schema: Json): string => JsonSchema.toType(schema, schema)

// =============================================================================
// Tools
// =============================================================================

/** The results of MCP servers. A declaration that names one of these types needs all of them. */
export const mcpTypes = `type Role = "user" | "assistant";
type MetaObject = { [key: string]: unknown };
type Annotations = { audience?: Array<Role>; lastModified?: string; priority?: number };
type Icon = { mimeType?: string; sizes?: Array<string>; src: string; theme?: "light" | "dark" };
type TextResourceContents = { _meta?: MetaObject; mimeType?: string; text: string; uri: string };
type BlobResourceContents = { _meta?: MetaObject; blob: string; mimeType?: string; uri: string };
type TextContent = { type: "text"; _meta?: MetaObject; annotations?: Annotations; text: string };
type ImageContent = { type: "image"; _meta?: MetaObject; annotations?: Annotations; data: string; mimeType: string };
type AudioContent = { type: "audio"; _meta?: MetaObject; annotations?: Annotations; data: string; mimeType: string };
type ResourceLink = {
  type: "resource_link"; _meta?: MetaObject; annotations?: Annotations; description?: string; icons?: Array<Icon>;
  mimeType?: string; name: string; size?: number; title?: string; uri: string;
};
type EmbeddedResource = {
  type: "resource"; _meta?: MetaObject; annotations?: Annotations;
  resource: TextResourceContents | BlobResourceContents;
};
type ContentBlock = TextContent | ImageContent | AudioContent | ResourceLink | EmbeddedResource;
type CallToolResult<TStructured = { [key: string]: unknown }> = {
  _meta?: MetaObject; content: Array<ContentBlock>; isError?: boolean; structuredContent?: TStructured;
  [key: string]: unknown;
};`

/** What a cell finds besides its tools. */
export const cellTypes = `type ImageDetail = "auto" | "low" | "high" | "original";
type Settled<K, V> = { index: K; status: "fulfilled"; value: V } | { index: K; status: "rejected"; reason: any };
/** The tools, by name. */
declare const ALL_TOOLS: Array<{ name: string; description: string }>;
/** Puts out text; anything that is no string as JSON. */
declare function text(value: unknown): void;
/** Puts out an image: its URL, or a content block of an MCP result. */
declare function image(image: unknown, detail?: ImageDetail | null): void;
/** Puts out a recording: its URL, or a content block of an MCP result. */
declare function audio(audio: unknown): void;
/** Puts out a whole MCP result: each block of its content; or a block, or each of several. */
declare function content(result: unknown): void;
/** Puts out an image, and the hint that came with it. */
declare function generatedImage(result: { image_url: string; output_hint?: string }): void;
/** Keeps a JSON value for later cells of the session. */
declare function store(key: string, value: unknown): void;
/** What was stored under the key, or undefined. */
declare function load(key: string): any;
/** Sends the host a message at once. */
declare function notify(value: unknown): void;
/** Lets the host have what there is so far; the cell goes on. */
declare function yield_control(): void;
/** Ends the cell, successfully. */
declare function exit(): never;
/** Gives results in the order in which they come in. */
declare function as_settled<K, V>(promises: Map<K, V>): AsyncGenerator<Settled<K, Awaited<V>>, void>;
declare function as_settled<V>(promises: Iterable<V>): AsyncGenerator<Settled<number, Awaited<V>>, void>;
/** Calls back with results in the order in which they come in. */
declare function stream_settled<K, V>(
  promises: Map<K, V>, callback: (result: Settled<K, Awaited<V>>) => unknown
): Promise<void>;
declare function stream_settled<V>(
  promises: Iterable<V>, callback: (result: Settled<number, Awaited<V>>) => unknown
): Promise<void>;
declare function setTimeout(callback: (...args: any[]) => void, millis?: number): number;
declare function clearTimeout(timer: number | undefined): void;`

/** What it calls them. */
export const helperNames = Array.from(
  cellTypes.matchAll(/^declare (?:const|function) (\w+)/gm),
  ([, name]) => name!
)

const isMcpResult = (schema: Json): schema is JsonObject & { readonly properties: JsonObject } => {
  if (!isObject(schema) || !isObject(schema.properties)) {
    return false
  }
  const { _meta, content, isError } = schema.properties
  return isObject(content) && content.type === "array" && isObject(content.items) && content.items.type === "object" &&
    isObject(isError) && isError.type === "boolean" && isObject(_meta) && _meta.type === "object"
}

/** Whether the tool's result is that of an MCP server. */
const usesMcpTypes = ({ outputSchema }: ToolDefinition): boolean =>
  outputSchema !== undefined && isMcpResult(outputSchema)

const resultType = (schema: Json | undefined): string => {
  if (schema === undefined) {
    return "unknown"
  }
  if (!isMcpResult(schema)) {
    return fromJsonSchema(schema)
  }
  const structured = JsonSchema.toType(schema, schema.properties.structuredContent ?? true)
  return structured === "unknown" ? "CallToolResult" : `CallToolResult<${structured}>`
}

/** The parameters of a tool that takes several; their names are the titles of their schemas. */
const parameters = (schema: Json | undefined): string => {
  if (!isObject(schema) || !Array.isArray(schema.prefixItems)) {
    return "...args: unknown[]"
  }
  const { minItems, prefixItems } = schema
  return prefixItems.map((item: Json, index) => {
    const name = isObject(item) && typeof item.title === "string" ? Identifier.fromName(item.title) : `arg${index + 1}`
    const isRequired = typeof minItems === "number" && index < minItems
    return `${name}${isRequired ? "" : "?"}: ${JsonSchema.toType(schema, item)}`
  }).join(", ")
}

/** The one argument of a tool. What has no members can be left out. */
const argumentOf = (schema: Json | undefined): string => {
  const type = schema === undefined ? "unknown" : fromJsonSchema(schema)
  return `args${type === "{}" ? "?" : ""}: ${type}`
}

/** What a tool takes, and what it gives. */
export const typesOf = (tool: ToolDefinition): { readonly parameters: string; readonly result: string } => ({
  parameters: tool.variadic === true
    ? parameters(tool.inputSchema)
    : tool.kind === "freeform"
    ? "input: string"
    : argumentOf(tool.inputSchema),
  result: resultType(tool.outputSchema)
})

/** The tool as a method of `tools`. */
export const signature = (tool: ToolDefinition): string => {
  const { parameters, result } = typesOf(tool)
  return `${Identifier.fromName(tool.name)}(${parameters}): Promise<${result}>;`
}

const indent = (text: string) => text.replace(/^(?=.)/gm, "  ")

const documentation = (description: string): string => {
  const lines = Places.lines(stripVTControlCharacters(description).replaceAll("*/", "* /").trim())
  return lines.length === 1
    ? lines[0] === "" ? "" : `/** ${lines[0]} */\n`
    : `/**\n${lines.map((line) => ` * ${line}`.trimEnd()).join("\n")}\n */\n`
}

/** The members of `tools`, with the instructions for a namespace above the first of them. */
const members = (tools: ReadonlyArray<ToolDefinition>, instructions: ReadonlyMap<string, string> | undefined) => {
  let last: string | null = null
  return tools.map((tool) => {
    const { namespace } = tool.toolName
    const said = namespace === null || namespace === last ? undefined : instructions?.get(namespace)
    last = namespace
    const comment = said === undefined ? [] : SchemaComment.lines(stripVTControlCharacters(said))
    return [
      ...comment.map((line) => `// ${line}\n`),
      ...comment.length === 0 ? [] : ["\n"],
      documentation(tool.description),
      `${signature(tool)}\n`
    ].join("")
  })
}

/** The object `tools` with its documentation, and the types that it needs. */
export const declarations = (
  tools: ReadonlyArray<ToolDefinition>,
  instructions?: ReadonlyMap<string, string>
): string => {
  const types = tools.some(usesMcpTypes) ? `${mcpTypes}\n\n` : ""
  return tools.length === 0
    ? ""
    : `${types}declare const tools: {\n${indent(members(tools, instructions).join("\n"))}};\n`
}
