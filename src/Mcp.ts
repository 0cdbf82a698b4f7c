/**
 * MCP servers as the tools of a session: a Delegate whose calls go to servers that speak the Model Context Protocol,
 * over standard input and output or over streamable HTTP.
 *
 * **Details**
 *
 * A cell sees the tool `read_file` of the server `fs` as `tools.mcp__fs__read_file`, and gets the whole
 * `CallToolResult`, as the server sent it: a result with `isError` resolves like any other. The script's promise
 * rejects where there is no result: the server refused the request, or is gone.
 *
 * A call has no time limit of its own. Interrupting it cancels it on the server too.
 *
 * **Example** (A session with the tools of one server)
 *
 * ```ts
 * import * as Mcp from "effect-code-mode/Mcp"
 *
 * const delegate = Mcp.layer([
 *   { name: "fs", command: "npx", args: ["-y", "@modelcontextprotocol/server-filesystem", "."] }
 * ])
 * ```
 *
 * @since 0.1.0
 */
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { Delegate } from "./Delegate.ts"
import * as Package from "./internal/Package.ts"
import type { Connection } from "./mcp/Connection.ts"
import * as HttpConnection from "./mcp/HttpConnection.ts"
import * as Names from "./mcp/Names.ts"
import * as ServerProcess from "./mcp/ServerProcess.ts"
import { type ToolDefinition, ToolError } from "./Protocol.ts"

// =============================================================================
// Models
// =============================================================================

/**
 * A server that is started as a child process. It inherits the environment, with `env` on top.
 *
 * @category models
 * @since 0.1.0
 */
export const StdioServer = Schema.Struct({
  name: Schema.optionalKey(Schema.String),
  command: Schema.NonEmptyString,
  args: Schema.optionalKey(Schema.Array(Schema.String)),
  env: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  cwd: Schema.optionalKey(Schema.String)
})

/**
 * @category models
 * @since 0.1.0
 */
export type StdioServer = typeof StdioServer.Type

/**
 * A server that runs already, and is reached by streamable HTTP. `headers` go with every request.
 *
 * @category models
 * @since 0.1.0
 */
export const HttpServer = Schema.Struct({
  name: Schema.optionalKey(Schema.String),
  url: Schema.String,
  headers: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
})

/**
 * @category models
 * @since 0.1.0
 */
export type HttpServer = typeof HttpServer.Type

/**
 * How a server is reached. Its tools are named after `name`, or without one after the name that the server gives itself.
 *
 * @category models
 * @since 0.1.0
 */
export const ServerConfig = Schema.Union([StdioServer, HttpServer])

/**
 * @category models
 * @since 0.1.0
 */
export type ServerConfig = typeof ServerConfig.Type

/**
 * A tool as its server describes it.
 *
 * @category models
 * @since 0.1.0
 */
export const ServerTool = Schema.Struct({
  name: Schema.String,
  title: Schema.optionalKey(Schema.NullOr(Schema.String)),
  description: Schema.optionalKey(Schema.NullOr(Schema.String)),
  inputSchema: Schema.optionalKey(Schema.Json),
  outputSchema: Schema.optionalKey(Schema.Json)
})

/**
 * @category models
 * @since 0.1.0
 */
export type ServerTool = typeof ServerTool.Type

/**
 * A server that runs. The tools are those it had when it was connected.
 *
 * @category models
 * @since 0.1.0
 */
export interface Server {
  readonly name: string
  readonly tools: ReadonlyArray<ServerTool>
  /** Runs a tool and gives the whole `CallToolResult`. */
  readonly callTool: (name: string, input: Schema.JsonObject) => Effect.Effect<Schema.Json, ToolError>
}

/**
 * A server could not be started or reached. `lastWords` is the end of what it wrote to its standard error.
 *
 * @category errors
 * @since 0.1.0
 */
export class McpConnectError extends Schema.TaggedError<McpConnectError>("effect-code-mode/McpConnectError")(
  "McpConnectError",
  {
    server: Schema.String,
    text: Schema.String,
    lastWords: Schema.String
  }
) {
  override get message() {
    return withLastWords(`MCP server ${this.server} cannot be used: ${this.text}`, this.lastWords)
  }
}

const withLastWords = (text: string, lastWords: string) =>
  lastWords === "" ? text : `${text}; it last wrote:\n${lastWords}`

// =============================================================================
// Servers
// =============================================================================

/** How long a server may take from its start to its list of tools. `npx` may have to download it first. */
const startTimeout = "60 seconds"

/** The longest that a timer can wait, 24 days: the client wants a limit for every request, and we have none. */
const noTimeout = 2 ** 31 - 1

/** Any object, which parsing leaves as it is. The schemas of results drop what they do not know. */
const AnyObject = CallToolResultSchema.shape.structuredContent.unwrap()

const ToolPage = Schema.Struct({
  tools: Schema.Array(ServerTool),
  nextCursor: Schema.optionalKey(Schema.NullOr(Schema.String))
})

const decodeToolPage = Schema.decodeUnknownEffect(ToolPage)

const request = <A>(send: (options: { readonly signal: AbortSignal; readonly timeout: number }) => Promise<A>) =>
  Effect.tryPromise({
    try: (signal) => send({ signal, timeout: noTimeout }),
    catch: (error) => error instanceof Error ? error.message : String(error)
  })

const listTools = Effect.fnUntraced(function*(client: Client) {
  const tools: Array<ServerTool> = []
  if (client.getServerCapabilities()?.tools === undefined) {
    return tools
  }
  let cursor: string | undefined
  do {
    const params = cursor === undefined ? {} : { cursor }
    const page = yield* request((options) => client.request({ method: "tools/list", params }, AnyObject, options))
      .pipe(
        Effect.flatMap(decodeToolPage),
        Effect.mapError((error) => `it did not list its tools: ${typeof error === "string" ? error : error.message}`)
      )
    tools.push(...page.tools)
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined)
  return tools
})

const spawnFailure = ({ command, cwd }: StdioServer, error: NodeJS.ErrnoException) =>
  error.code === "ENOENT"
    ? `there is no command ${command}${
      cwd === undefined ? "" : ` or no folder ${cwd}`
    }: is it installed, and in the PATH?`
    : error.code === "EACCES"
    ? `${command} may not be run: is it executable?`
    : error.message

const open = (config: ServerConfig): Effect.Effect<Connection, string, Scope.Scope> =>
  "url" in config
    ? HttpConnection.make(config)
    : Effect.mapError(ServerProcess.make(config), (error) => spawnFailure(config, error))

/**
 * Starts or reaches a server, and learns its tools. The end of the scope is the end of the process, or of the HTTP
 * session.
 *
 * **Details**
 *
 * A process that ignores the end of its input is told to terminate after 250 ms, and killed 500 ms later, with
 * everything it started.
 *
 * @category constructors
 * @since 0.1.0
 */
export const connect: (
  config: ServerConfig
) => Effect.Effect<Server, McpConnectError, Scope.Scope> = Effect.fn("Mcp.connect")(function*(config) {
  const address = "url" in config ? config.url : [config.command, ...config.args ?? []].join(" ")
  const server = config.name ?? address
  const connection = yield* open(config).pipe(
    Effect.mapError((text) => new McpConnectError({ server, text, lastWords: "" }))
  )
  const client = new Client(Package)

  const tools = yield* request((options) => client.connect(connection.transport, options)).pipe(
    Effect.andThen(listTools(client)),
    Effect.timeoutOrElse({
      duration: startTimeout,
      orElse: () => Effect.fail(`it was not ready within ${startTimeout}`)
    }),
    Effect.catch(Effect.fnUntraced(function*(text) {
      return yield* new McpConnectError({
        server,
        text: connection.isOpen() ? text : yield* connection.ending,
        lastWords: connection.lastWords()
      })
    }))
  )

  return {
    name: config.name ?? client.getServerVersion()?.name ?? address,
    tools,
    callTool: (name, input) =>
      request((options) =>
        client.request({ method: "tools/call", params: { name, arguments: input } }, AnyObject, options)
      ).pipe(
        Effect.map((result) => result as Schema.JsonObject),
        Effect.catch(Effect.fnUntraced(function*(text) {
          return yield* new ToolError({
            text: connection.isOpen() ? text : withLastWords(yield* connection.ending, connection.lastWords())
          })
        }))
      )
  }
})

// =============================================================================
// Delegates
// =============================================================================

const isJsonObject = (value: Schema.Json): value is Schema.JsonObject => Predicate.isObject(value)

/** Moves the references within a schema to where it stands now. */
const relocate = (schema: Schema.Json, pointer: string): Schema.Json =>
  Array.isArray(schema)
    ? schema.map((each) => relocate(each, pointer))
    : isJsonObject(schema)
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

const definition = (namespace: string, tool: ServerTool): ToolDefinition => ({
  name: namespace + tool.name,
  toolName: { name: tool.name, namespace },
  description: tool.description ?? tool.title ?? "",
  kind: "function",
  ...(tool.inputSchema === undefined ? {} : { inputSchema: tool.inputSchema }),
  outputSchema: resultSchema(tool.outputSchema)
})

/**
 * A delegate whose tools are those of the given servers, which may be connected in any way. Notifications are dropped.
 *
 * **Details**
 *
 * A tool's name is `mcp__SERVER__TOOL`. Where two servers have one name, the second is `SERVER_2`. Where two tools
 * have one name, the first keeps it, and the other is left out with a warning.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(servers: ReadonlyArray<Server>) {
  const byNamespace = new Map<string, Server>()
  const tools = new Map<string, ToolDefinition>()
  const names = Names.distinct(servers.map((server) => server.name))
  for (const [index, server] of servers.entries()) {
    const name = names[index]!
    const namespace = Names.namespace(name)
    byNamespace.set(namespace, { ...server, name })
    for (const tool of server.tools) {
      const key = Names.identifier(namespace + tool.name)
      if (tools.has(key)) {
        yield* Effect.logWarning(`${namespace}${tool.name} is left out: there already is a tool named ${key}`)
      } else {
        tools.set(key, definition(namespace, tool))
      }
    }
  }
  return Delegate.of({
    tools: Array.from(tools.values()),
    invokeTool: ({ input = {}, toolName }) => {
      const fullName = `${toolName.namespace ?? ""}${toolName.name}`
      const server = byNamespace.get(toolName.namespace ?? "")
      return server === undefined
        ? Effect.fail(new ToolError({ text: `unknown tool ${fullName}` }))
        : isJsonObject(input)
        ? Effect.mapError(
          server.callTool(toolName.name, input),
          ({ text }) => new ToolError({ text: `MCP server ${server.name}: ${text}` })
        )
        : Effect.fail(new ToolError({ text: `${fullName} takes an object as its argument` }))
    },
    notify: () => Effect.void
  })
})

/**
 * A host whose tools are those of the given servers. They start in parallel, and end with the layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (servers: ReadonlyArray<ServerConfig>): Layer.Layer<Delegate, McpConnectError> =>
  Layer.effect(
    Delegate,
    Effect.gen(function*() {
      // Those that were given a name come first, and so keep it.
      const ordered = servers.toSorted((a, b) => Number(b.name !== undefined) - Number(a.name !== undefined))
      // Servers that leave slowly do so at the same time.
      const scope = yield* Scope.fork(yield* Effect.scope, "parallel")
      const connected = yield* Effect.forEach(ordered, connect, { concurrency: "unbounded" }).pipe(
        Scope.provide(scope)
      )
      return yield* make(connected)
    })
  )
