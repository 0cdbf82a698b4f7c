/**
 * Tools as TypeScript, for those who write calls of them: models and people.
 *
 * @internal
 */
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as Identifier from "../internal/Identifier.ts"
import type { ToolDefinition } from "../Protocol.ts"
import * as JsonSchema from "./JsonSchema.ts"

type Json = Schema.Json
type JsonObject = Schema.JsonObject

const isObject = (value: Json | undefined): value is JsonObject => Predicate.isObject(value)

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

const isMcpResult = (schema: Json): schema is JsonObject & { readonly properties: JsonObject } => {
  if (!isObject(schema) || !isObject(schema.properties)) {
    return false
  }
  const { _meta, content, isError } = schema.properties
  return isObject(content) && content.type === "array" && isObject(content.items) && content.items.type === "object" &&
    isObject(isError) && isError.type === "boolean" && isObject(_meta) && _meta.type === "object"
}

/** Whether the tool's result is that of an MCP server. */
export const usesMcpTypes = ({ outputSchema }: ToolDefinition): boolean =>
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

/** The tool as a method of `tools`. */
export const signature = (tool: ToolDefinition): string => {
  const argument = tool.kind === "freeform"
    ? "input: string"
    : `args: ${tool.inputSchema === undefined ? "unknown" : fromJsonSchema(tool.inputSchema)}`
  return `${Identifier.fromName(tool.name)}(${argument}): Promise<${resultType(tool.outputSchema)}>;`
}
