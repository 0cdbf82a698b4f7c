/**
 * The resources of the servers behind a delegate, as those of the MCP server.
 *
 * **Details**
 *
 * Effect's registry is made for resources that are known beforehand, and takes none back. So what servers list is added
 * before a client is given the list, and what they list no more is hidden. A template that fits every URI reads those that
 * are on no list. All of it goes through the delegate: what it keeps from cells, clients do not get, either.
 *
 * @internal
 */
import * as McpSchema from "effect/ai/McpSchema"
import type * as AiMcpServer from "effect/ai/McpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Delegate } from "../Delegate.ts"
import * as Definitions from "../mcp/Definitions.ts"
import { CellId, ToolCallId, type ToolDefinition, type ToolError } from "../Protocol.ts"
import { isList, isObject } from "../text/JsonValue.ts"
import * as Visible from "../text/Visible.ts"
import * as Bounds from "./Bounds.ts"

type Server = AiMcpServer.McpServer["Service"]

interface Listed {
  readonly key: string
  readonly value: Schema.JsonObject
  readonly read: ToolDefinition
}

const decodeResource = Schema.decodeUnknownEffect(McpSchema.Resource)
const decodeTemplate = Schema.decodeUnknownEffect(McpSchema.ResourceTemplate)
const decodeResult = Schema.decodeUnknownEffect(McpSchema.ReadResourceResult)

/** Everything of a definition that can be understood, or what it cannot do without. */
const understood = <A>(
  decode: (value: unknown) => Effect.Effect<A, Schema.SchemaError>,
  key: "uri" | "uriTemplate",
  value: Schema.JsonObject
) => Effect.option(Effect.catch(decode(value), () => decode({ [key]: value[key], name: value.name })))

/** The text of a template that is the same in all of its URIs. */
const prefixOf = (template: string) => template.split("{")[0]!

const anyUri = new McpSchema.ResourceTemplate({
  uriTemplate: "{+uri}",
  name: "resource",
  title: "Any resource of the servers behind this one"
})

export interface PassedResources {
  /** Asks the servers what they have. */
  readonly refresh: Effect.Effect<void>
}

/** `isLate`: the tools of the delegate are not there yet, so there may be resources. */
export const make = Effect.fnUntraced(function*(server: Server, delegate: Delegate["Service"], isLate: boolean) {
  let calls = 0
  const call = (tool: ToolDefinition, input: Schema.JsonObject): Effect.Effect<Schema.Json, ToolError> => {
    const id = `resource-${++calls}`
    return delegate.invokeTool({
      sessionId: "resources",
      cellId: CellId.make("resources"),
      callId: id,
      toolCallId: ToolCallId.make(id),
      idempotencyKey: id,
      attempt: 1,
      tool: tool.name,
      toolName: tool.toolName,
      kind: tool.kind,
      input
    })
  }

  let resources = new Map<string, Listed>()
  let templates = new Map<string, Listed>()
  const added = new Map<string, string>()

  /** Who reads a URI: the one who lists it, or has a template that begins like it, or any server that does. */
  const readersOf = (uri: string): ReadonlyArray<ToolDefinition> => {
    const listed = resources.get(uri)
    if (listed !== undefined) {
      return [listed.read]
    }
    const fitting = Array.from(templates.values())
      .filter(({ key }) => prefixOf(key) !== "" && uri.startsWith(prefixOf(key)))
      .toSorted((a, b) => prefixOf(b.key).length - prefixOf(a.key).length)
      .map(({ read }) => read)
    return Array.from(
      new Set([...fitting, ...Definitions.resourceAccessIn(delegate.tools).map(({ read }) => read)])
    )
  }

  const read = (uri: string) =>
    Effect.suspend(() => {
      const [first, ...others] = readersOf(uri)
      return first === undefined
        ? Effect.fail(new McpSchema.InvalidParams({ message: "there is no server that has resources" }))
        : others.reduce(
          (reading, other) => Effect.catch(reading, (error) => Effect.mapError(call(other, { uri }), () => error)),
          call(first, { uri })
        ).pipe(
          Effect.mapError(({ text }) => new McpSchema.InvalidParams({ message: text })),
          Effect.flatMap((result) =>
            Effect.mapError(
              decodeResult(result),
              () => new McpSchema.InternalError({ message: "what the server gave is no resource" })
            )
          )
        )
    })

  const listOne = ({ list, read }: Definitions.ResourceAccess) =>
    call(list, {}).pipe(
      Effect.timeoutOrElse({ duration: Bounds.listing, orElse: () => Effect.fail({ text: "it took too long" }) }),
      Effect.map((result) => {
        const of = (member: string, key: "uri" | "uriTemplate"): ReadonlyArray<Listed> => {
          const values = isObject(result) ? result[member] : undefined
          return isList(values)
            ? values.flatMap((value) =>
              isObject(value) && typeof value[key] === "string" ? [{ key: value[key], value, read }] : []
            )
            : []
        }
        return { resources: of("resources", "uri"), templates: of("resourceTemplates", "uriTemplate") }
      }),
      Effect.catch(({ text }) =>
        Effect.as(
          Effect.logWarning(Visible.line(`the resources of ${read.toolName.namespace} are not listed: ${text}`)),
          { resources: [], templates: [] }
        )
      )
    )

  /** Of two with one key, the first is the one. */
  const keyed = (listed: ReadonlyArray<Listed>) => {
    const found = new Map<string, Listed>()
    for (const each of listed) {
      if (!found.has(each.key) && found.size < Bounds.maxResources) {
        found.set(each.key, each)
      }
    }
    return found
  }

  /** Adds what is new, or has changed. */
  const add = Effect.fnUntraced(function*<A>(
    listed: ReadonlyMap<string, Listed>,
    key: "uri" | "uriTemplate",
    decode: (value: unknown) => Effect.Effect<A, Schema.SchemaError>,
    register: (item: A, name: string) => Effect.Effect<void>
  ) {
    for (const { key: name, value } of listed.values()) {
      const json = JSON.stringify(value)
      const known = added.get(`${key} ${name}`)
      if (known === json || (known === undefined && added.size >= Bounds.maxResources)) {
        continue
      }
      added.set(`${key} ${name}`, json)
      const item = yield* understood(decode, key, value)
      if (item._tag === "Some") {
        yield* register(item.value, name)
      }
    }
  })

  const addTemplate = (template: McpSchema.ResourceTemplate, annotations: Context.Context<never>) =>
    server.addResourceTemplate({ template, annotations, routerPath: "*", completions: {}, handle: read })

  const refresh = Effect.gen(function*() {
    const all = yield* Effect.forEach(Definitions.resourceAccessIn(delegate.tools), listOne, {
      concurrency: "unbounded"
    })
    resources = keyed(all.flatMap(({ resources }) => resources))
    templates = keyed(all.flatMap(({ templates }) => templates))
    yield* add(resources, "uri", decodeResource, (resource, name) =>
      server.addResource({
        resource,
        annotations: Context.make(McpSchema.EnabledWhen, () => resources.has(name)),
        handle: Effect.catchTag(read(name), "InvalidParams", ({ message }) =>
          Effect.fail(new McpSchema.InternalError({ message })))
      }))
    yield* add(
      templates,
      "uriTemplate",
      decodeTemplate,
      (template, name) => addTemplate(template, Context.make(McpSchema.EnabledWhen, () => templates.has(name)))
    )
  })

  if (isLate || Definitions.resourceAccessIn(delegate.tools).length > 0) {
    // With it, the client is told that there are resources, before any server has been asked for them.
    yield* addTemplate(anyUri, Context.empty())
  }
  return { refresh }
})
