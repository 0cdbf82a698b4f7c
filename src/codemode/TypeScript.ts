/**
 * Tools as TypeScript, for those who write calls of them: models and people.
 *
 * **Details**
 *
 * A type is as exact as its JSON schema lets it be and otherwise `unknown`, never wrong. What it may cost is bounded,
 * because schemas are foreign: a reference is followed into itself twice, 32 are followed in all, and a schema whose
 * type is longer than 16,000 bytes is `unknown` altogether.
 *
 * @internal
 */
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as Identifier from "../internal/Identifier.ts"
import type { ToolDefinition } from "../Protocol.ts"

const maxNestedExpansions = 2
const maxExpansions = 32
const maxResult = 16_000
const maxWork = 64_000

type Json = Schema.Json
type JsonObject = Schema.JsonObject

const isObject = (value: Json | undefined): value is JsonObject => Predicate.isObject(value)

const isList = (value: Json | undefined): value is ReadonlyArray<Json> => Array.isArray(value)

// =============================================================================
// Types
// =============================================================================

/** The rendering of one document. */
interface Rendering {
  readonly root: Json
  /** The pointers that are being expanded, each as often as it is. */
  readonly open: Array<string>
  expansions: number
  /** The resources within the document that enclose what is being rendered: there, a local reference is not ours. */
  resources: number
  work: number
}

/** The type is too long to be of use. */
class TooLong extends Error {}

const identifierName = /^[A-Za-z_$][A-Za-z0-9_$]*$/

const propertyName = (name: string) => identifierName.test(name) ? name : JSON.stringify(name)

/** The segments of a local reference: `#/$defs/A` has two. */
const segments = (reference: string): ReadonlyArray<string> | undefined => {
  if (!/^#(\/|$)/.test(reference)) {
    return undefined
  }
  try {
    return decodeURIComponent(reference).split("/").slice(1)
      .map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"))
  } catch {
    // A percent sign that encodes nothing.
    return undefined
  }
}

/** What a reference points to. */
const resolve = (self: Rendering, reference: string): Json | undefined => {
  let target: Json | undefined = self.resources === 0 ? self.root : undefined
  for (const segment of segments(reference) ?? [reference]) {
    target = isList(target)
      ? target[Number(segment)]
      : isObject(target) && Object.hasOwn(target, segment)
      ? target[segment]
      : undefined
  }
  return target
}

const expand = (self: Rendering, reference: string): string => {
  const target = resolve(self, reference)
  if (target === undefined) {
    return "unknown"
  }
  const nested = self.open.filter((each) => each === reference).length
  if (nested >= maxNestedExpansions || self.expansions >= maxExpansions) {
    return "unknown"
  }
  self.expansions++
  self.open.push(reference)
  const type = render(self, target)
  self.open.pop()
  return type
}

const union = (types: ReadonlyArray<string>) => Array.from(new Set(types)).join(" | ")

const intersection = (types: ReadonlyArray<string>) =>
  types.map((type) => type.includes(" | ") ? `(${type})` : type).join(" & ")

const comment = (description: Json | undefined): ReadonlyArray<string> =>
  typeof description === "string"
    ? description.split(/\r\n|[\n\r\u2028\u2029]/).map((line) => line.trim()).filter((line) => line !== "")
    : []

const renderObject = (self: Rendering, schema: JsonObject): string => {
  const properties = isObject(schema.properties) ? schema.properties : {}
  const required = new Set(isList(schema.required) ? schema.required : [])
  const names = Object.keys(properties).sort()
  const members = names.map((name) => {
    const property = properties[name]!
    return {
      comment: isObject(property) ? comment(property.description) : [],
      text: `${propertyName(name)}${required.has(name) ? "" : "?"}: ${render(self, property)};`
    }
  })
  const additional = schema.additionalProperties ?? names.length === 0
  if (additional !== false) {
    members.push({ comment: [], text: `[key: string]: ${render(self, additional)};` })
  }
  if (members.length === 0) {
    return "{}"
  }
  return members.every(({ comment }) => comment.length === 0)
    ? `{ ${members.map(({ text }) => text).join(" ")} }`
    : [
      "{",
      ...members.flatMap(({ comment, text }) => [...comment.map((line) => `  // ${line}`), `  ${text}`]),
      "}"
    ].join("\n")
}

const renderArray = (self: Rendering, schema: JsonObject): string =>
  isList(schema.prefixItems)
    ? `[${schema.prefixItems.map((item) => render(self, item)).join(", ")}]`
    : schema.items === undefined
    ? "unknown[]"
    : `Array<${render(self, schema.items)}>`

const renderType = (self: Rendering, schema: JsonObject, type: Json): string => {
  switch (type) {
    case "string":
    case "boolean":
    case "null":
      return type
    case "number":
    case "integer":
      return "number"
    case "array":
      return renderArray(self, schema)
    case "object":
      return renderObject(self, schema)
    default:
      return "unknown"
  }
}

const renderReference = (self: Rendering, reference: string, siblings: JsonObject): string => {
  const type = expand(self, reference)
  const others = render(self, siblings)
  return others === "unknown" ? type : `(${type}) & (${others})`
}

const renderSchema = (self: Rendering, schema: Json): string => {
  if (schema === false) {
    return "never"
  }
  if (!isObject(schema)) {
    return "unknown"
  }
  const { $ref, ...siblings } = schema
  if (typeof $ref === "string") {
    return renderReference(self, $ref, siblings)
  }
  if (schema.const !== undefined) {
    return JSON.stringify(schema.const)
  }
  if (isList(schema.enum) && schema.enum.length > 0) {
    return union(schema.enum.map((value) => JSON.stringify(value)))
  }
  const choices = schema.anyOf ?? schema.oneOf
  if (isList(choices) && choices.length > 0) {
    return union(choices.map((choice) => render(self, choice)))
  }
  if (isList(schema.allOf) && schema.allOf.length > 0) {
    return intersection(schema.allOf.map((part) => render(self, part)))
  }
  if (isList(schema.type)) {
    return union(schema.type.map((type) => renderType(self, schema, type)))
  }
  if (schema.type !== undefined) {
    return renderType(self, schema, schema.type)
  }
  if (schema.properties !== undefined || schema.additionalProperties !== undefined || schema.required !== undefined) {
    return renderObject(self, schema)
  }
  return schema.items !== undefined || schema.prefixItems !== undefined ? renderArray(self, schema) : "unknown"
}

const render = (self: Rendering, schema: Json): string => {
  const inner = schema !== self.root && isObject(schema) && schema.$id !== undefined ? 1 : 0
  self.resources += inner
  const type = renderSchema(self, schema)
  self.resources -= inner
  self.work += Buffer.byteLength(type)
  if (self.work > maxWork) {
    throw new TooLong()
  }
  return type
}

const renderDocument = (root: Json, schema: Json): string => {
  try {
    const type = render({ root, open: [], expansions: 0, resources: 0, work: 0 }, schema)
    return Buffer.byteLength(type) <= maxResult ? type : "unknown"
  } catch (error) {
    // A schema that is nested without measure runs out of stack.
    if (error instanceof TooLong || error instanceof RangeError) {
      return "unknown"
    }
    throw error
  }
}

/** The type of the values that a JSON schema accepts. */
export const fromJsonSchema = (schema: Json): string => renderDocument(schema, schema)

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
  const structured = renderDocument(schema, schema.properties.structuredContent ?? true)
  return structured === "unknown" ? "CallToolResult" : `CallToolResult<${structured}>`
}

/** The tool as a method of `tools`. */
export const signature = (tool: ToolDefinition): string => {
  const argument = tool.kind === "freeform"
    ? "input: string"
    : `args: ${tool.inputSchema === undefined ? "unknown" : fromJsonSchema(tool.inputSchema)}`
  return `${Identifier.fromName(tool.name)}(${argument}): Promise<${resultType(tool.outputSchema)}>;`
}
