/**
 * `exec`, `wait` and `search` as tools of an MCP server.
 *
 * **Details**
 *
 * `McpServer.registerToolkit` of Effect gives a result as JSON in a text, so that no model would see an image, and knows
 * no description that changes. So these are added by hand.
 *
 * @internal
 */
import * as McpSchema from "effect/ai/McpSchema"
import type * as AiMcpServer from "effect/ai/McpServer"
import type * as Prompt from "effect/ai/Prompt"
import * as Tool from "effect/ai/Tool"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Buffer } from "node:buffer"
import * as CodeMode from "../CodeMode.ts"
import * as Parts from "../model/Parts.ts"
import * as Trace from "../telemetry/Trace.ts"
import { isList, isObject } from "../text/JsonValue.ts"
import * as ToolSearch from "./ToolSearch.ts"

/** The requests of a client, as far as a handler needs them. */
export interface Caller {
  readonly client: McpSchema.McpServerClient["Service"]
  readonly context: McpSchema.McpRequestContext["Service"]
  readonly progressToken: string | number | undefined
}

const caller = Effect.context<never>().pipe(Effect.map((services): Caller | undefined => {
  const client = Option.getOrUndefined(Context.getOption(services, McpSchema.McpServerClient))
  const context = Option.getOrUndefined(Context.getOption(services, McpSchema.McpRequestContext))
  const token = client?.requestMetadata?.progressToken
  return client === undefined || context === undefined ? undefined : {
    client,
    context,
    progressToken: typeof token === "string" || typeof token === "number" ? token : undefined
  }
}))

/** What a request asks for, where the client says it stands in a trace. */
const traced = <A>(from: Caller | undefined, effect: Effect.Effect<A>): Effect.Effect<A> =>
  Trace.below(effect, from?.client.requestMetadata?.traceparent)

// =============================================================================
// Results
// =============================================================================

/** The first version of the protocol knows no recordings. */
const knowsAudio = (version: string | undefined) => version !== "2024-11-05"

const block = (part: Prompt.ToolModelOutputPart, version: string | undefined): typeof McpSchema.ContentBlock.Type => {
  if (part.type === "text") {
    return McpSchema.TextContent.make({ text: part.text })
  }
  const { data, mediaType } = part
  const kind = mediaType.split("/")[0]
  if (data instanceof URL || (kind !== "image" && kind !== "audio")) {
    return McpSchema.TextContent.make({ text: data instanceof URL ? data.href : `(a file of type ${mediaType})` })
  }
  const bytes = typeof data === "string" ? Buffer.from(data, "base64") : data
  return kind === "image"
    ? McpSchema.ImageContent.make({ data: bytes, mimeType: mediaType })
    : knowsAudio(version)
    ? McpSchema.AudioContent.make({ data: bytes, mimeType: mediaType })
    : McpSchema.TextContent.make({ text: `(a recording of type ${mediaType})` })
}

/** The result for programs. It has what the model sees, too: some clients show a model nothing else. */
const Structured = Schema.Struct({
  status: CodeMode.ToolResult.fields.status,
  success: Schema.Boolean,
  cell_id: Schema.NullOr(Schema.String).annotate({ description: "The cell to wait for, where it goes on" }),
  output: Schema.Array(Schema.JsonObject).annotate({ description: "What the cell has put out, as content" })
})

const structured = ({ cellId, items, status, success }: CodeMode.Output): typeof Structured.Encoded => ({
  status,
  success,
  cell_id: cellId ?? null,
  output: items.map((item) => ({ ...item }))
})

const metaPrefix = "effect-code-mode/"

const toResult = (output: CodeMode.Output, version: string | undefined, isStructured: boolean) =>
  new McpSchema.CallToolResult({
    content: Parts.fromItems(output.items).map((part) => block(part, version)),
    isError: !output.success,
    ...(isStructured ? { structuredContent: structured(output) } : {}),
    _meta: {
      [`${metaPrefix}status`]: output.status,
      ...(output.cellId === undefined ? {} : { [`${metaPrefix}cell-id`]: output.cellId })
    }
  })

// =============================================================================
// Tools
// =============================================================================

type Register = Parameters<AiMcpServer.McpServer["Service"]["addTool"]>[0]

const invalid = (error: { readonly message: string }) => new McpSchema.InvalidParams({ message: error.message })

/** A member that may be null as well as absent is taken as both, and described as absent: some clients know no unions. */
const withoutNull = (member: unknown): unknown => {
  if (!isObject(member) || !isList(member.anyOf)) {
    return member
  }
  const { anyOf, ...rest } = member
  const [only, ...others] = anyOf.filter((each) => !(isObject(each) && each.type === "null"))
  return others.length === 0 && isObject(only) ? { ...only, ...rest } : member
}

const inputSchemaOf = (schema: Schema.Constraint): McpSchema.Tool["inputSchema"] => {
  const { properties = {}, ...rest } = Tool.getJsonSchemaFromSchema(schema) as Schema.JsonObject
  return {
    ...rest,
    properties: Object.fromEntries(
      Object.entries(properties as object).map(([name, each]) => [name, withoutNull(each)])
    )
  } as McpSchema.Tool["inputSchema"]
}

/** What a tool is, and what it may do. */
const register = (
  about: Pick<McpSchema.Tool, "name" | "description" | "inputSchema" | "outputSchema"> & { readonly title: string },
  hints: typeof McpSchema.ToolAnnotations.Encoded,
  handle: Register["handle"]
): Register => ({
  tool: new McpSchema.Tool({ ...about, annotations: McpSchema.ToolAnnotations.make({ title: about.title, ...hints }) }),
  annotations: Context.empty(),
  handle
})

const execInput = inputSchemaOf(CodeMode.Exec.parametersSchema)
const waitInput = inputSchemaOf(CodeMode.Wait.parametersSchema)
const searchInput = inputSchemaOf(ToolSearch.Input)
const resultSchema = Tool.getJsonSchemaFromSchema(Structured)

/** The tools of a cell stand at the end of a description. Some clients cut it before. */
export const withSearch = (description: string): string =>
  description.replace("\n\n", "\n\nThe tools stand at the end of this text; the tool `search` finds them, too.\n\n")

export interface Handlers {
  readonly exec: (source: string, caller: Caller | undefined) => Effect.Effect<CodeMode.Output>
  readonly wait: (request: CodeMode.WaitRequest, caller: Caller | undefined) => Effect.Effect<CodeMode.Output>
  readonly search: (request: typeof ToolSearch.Input.Type) => Effect.Effect<string>
}

export interface Descriptions {
  readonly exec: string
  readonly wait: string
  readonly search: string
}

/** The tools, for descriptions that are those of the moment. */
export const make = (handlers: Handlers, isStructured: boolean) => {
  const outputSchema = isStructured ? { outputSchema: resultSchema } : {}
  const decodeExec = Schema.decodeUnknownEffect(CodeMode.Exec.parametersSchema)
  const decodeWait = Schema.decodeUnknownEffect(CodeMode.Wait.parametersSchema)
  const decodeSearch = Schema.decodeUnknownEffect(ToolSearch.Input)

  const exec: Register["handle"] = Effect.fnUntraced(function*(payload) {
    const { source } = yield* Effect.mapError(decodeExec(payload), invalid)
    const from = yield* caller
    return toResult(yield* traced(from, handlers.exec(source, from)), from?.client.protocolVersion, isStructured)
  })
  const wait: Register["handle"] = Effect.fnUntraced(function*(payload) {
    const request = CodeMode.toWaitRequest(yield* Effect.mapError(decodeWait(payload), invalid))
    const from = yield* caller
    return toResult(yield* traced(from, handlers.wait(request, from)), from?.client.protocolVersion, isStructured)
  })
  const search: Register["handle"] = Effect.fnUntraced(function*(payload) {
    const text = yield* handlers.search(yield* Effect.mapError(decodeSearch(payload), invalid))
    return new McpSchema.CallToolResult({ content: [McpSchema.TextContent.make({ text })] })
  })

  return (descriptions: Descriptions): ReadonlyArray<Register> => [
    register(
      {
        name: "exec",
        title: "Run JavaScript that calls tools",
        description: descriptions.exec,
        inputSchema: execInput,
        ...outputSchema
      },
      { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
      exec
    ),
    register(
      {
        name: "wait",
        title: "Wait for a cell",
        description: descriptions.wait,
        inputSchema: waitInput,
        ...outputSchema
      },
      { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
      wait
    ),
    register(
      { name: "search", title: "Find tools", description: descriptions.search, inputSchema: searchInput },
      { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
      search
    )
  ]
}
