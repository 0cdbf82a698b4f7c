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
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { matchesGlob } from "node:path"
import { Delegate } from "./Delegate.ts"
import type { NotStarted } from "./internal/ChildProcess.ts"
import type { Connection } from "./mcp/Connection.ts"
import * as Environment from "./mcp/Environment.ts"
import * as HttpConnection from "./mcp/HttpConnection.ts"
import * as Limits from "./mcp/Limits.ts"
import * as LiveServer from "./mcp/LiveServer.ts"
import * as Names from "./mcp/Names.ts"
import type { Handlers } from "./mcp/Peer.ts"
import * as Secrets from "./mcp/Secrets.ts"
import * as ServerProcess from "./mcp/ServerProcess.ts"
import { type ToolDefinition, ToolError } from "./Protocol.ts"

// =============================================================================
// Models
// =============================================================================

const common = {
  name: Schema.optionalKey(Schema.String),
  secrets: Schema.optionalKey(Schema.Array(Schema.String)),
  timeout: Schema.optionalKey(Schema.Number),
  allowTools: Schema.optionalKey(Schema.Array(Schema.String)),
  denyTools: Schema.optionalKey(Schema.Array(Schema.String)),
  optional: Schema.optionalKey(Schema.Boolean)
}

/**
 * A server that is started as a child process. Of our environment it gets what a program needs to find its way (`PATH`,
 * `HOME` and the like), or all of it with `inheritEnv`, and `env` on top.
 *
 * **Details**
 *
 * These hold for every server: what `secrets` lists is left out of every error and warning about it. A call that takes
 * longer than `timeout`, in milliseconds, fails. Of its tools there are only those that one of the globs of `allowTools`
 * matches, where it is given, and none of `denyTools`; they match the names that the server gives. With `optional`, a
 * server that cannot be used is a warning.
 *
 * @category models
 * @since 0.1.0
 */
export const StdioServer = Schema.Struct({
  ...common,
  command: Schema.NonEmptyString,
  args: Schema.optionalKey(Schema.Array(Schema.String)),
  env: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  inheritEnv: Schema.optionalKey(Schema.Boolean),
  cwd: Schema.optionalKey(Schema.String)
})

/**
 * @category models
 * @since 0.1.0
 */
export type StdioServer = typeof StdioServer.Type

/**
 * A server that runs already, and is reached by streamable HTTP. `headers` go with every request. Their values and the
 * query of the address are left out of every error and warning about the server. The rest is as for `StdioServer`.
 *
 * @category models
 * @since 0.1.0
 */
export const HttpServer = Schema.Struct({
  ...common,
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
  outputSchema: Schema.optionalKey(Schema.Json),
  annotations: Schema.optionalKey(Schema.JsonObject)
})

/**
 * @category models
 * @since 0.1.0
 */
export type ServerTool = typeof ServerTool.Type

/**
 * A server that runs. The tools are those that it last listed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Server {
  readonly name: string
  /** What the server says to those who use its tools. */
  readonly instructions?: string | undefined
  readonly tools: ReadonlyArray<ServerTool>
  /** Runs a tool and gives the whole `CallToolResult`. */
  readonly callTool: (name: string, input: Schema.JsonObject) => Effect.Effect<Schema.Json, ToolError>
}

/**
 * Whoever wants to know what servers do besides answering.
 *
 * @category models
 * @since 0.1.0
 */
export interface Observer {
  /** Wraps the start of each server: from its first word to its list of tools. */
  readonly onStart?:
    | (<A, E, R>(server: string, start: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>)
    | undefined
  /** The server said that its tools have changed, and has listed these. Cells that begin later see them. */
  readonly onToolsChanged?: ((server: string, tools: ReadonlyArray<ServerTool>) => Effect.Effect<void>) | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly observer?: Observer | undefined
  /** How long a server may take from its start to its list of tools: 60 seconds, unless given. */
  readonly startTimeout?: Duration.Input | undefined
}

const unusable = {
  server: Schema.String,
  text: Schema.String,
  lastWords: Schema.String
}

/**
 * A server could not be started or reached. `lastWords` is the end of what it wrote to its standard error. Where other
 * servers could not be used either, they are `others`.
 *
 * @category errors
 * @since 0.1.0
 */
export class McpConnectError extends Schema.TaggedError<McpConnectError>("effect-code-mode/McpConnectError")(
  "McpConnectError",
  {
    ...unusable,
    others: Schema.optionalKey(Schema.Array(Schema.Struct(unusable)))
  }
) {
  override get message(): string {
    return [this, ...this.others ?? []].map(({ lastWords, server, text }) =>
      LiveServer.withLastWords(`MCP server ${server} cannot be used: ${text}`, lastWords)
    ).join("\n")
  }
}

// =============================================================================
// Servers
// =============================================================================

const spawnFailure = ({ args = [], command, cwd }: StdioServer, { code, text }: NotStarted) => {
  switch (code) {
    case "ENOENT": {
      const folder = cwd === undefined ? "" : ` or no folder ${cwd}`
      return args.length === 0 && /\s/.test(command)
        ? `there is no command ${JSON.stringify(command)}${folder}: its arguments belong into "args"`
        : `there is no command ${command}${folder}: is it installed, and in the PATH?`
    }
    case "EACCES":
      return `${command} may not be run: is it executable?`
    case "E2BIG":
      return "its arguments or its environment are too long"
    case "ERR_INVALID_ARG_VALUE":
      // Node's own text shows the value, which may be a secret.
      return "its command, an argument, its folder or its environment has a null character"
    default:
      return text
  }
}

const open = (config: ServerConfig, handlers: Handlers): Effect.Effect<Connection, string, Scope.Scope> =>
  "url" in config
    ? HttpConnection.make(config, handlers)
    : Effect.mapError(
      ServerProcess.make({ ...config, env: Environment.forServer(config) }, handlers),
      (error) => spawnFailure(config, error)
    )

/** What a server is called before it has said its name. */
const addressOf = (config: ServerConfig): string =>
  config.name ??
    ("url" in config ? config.url.replace(/[?#][^]*$/, "") : [config.command, ...config.args ?? []].join(" "))

/**
 * Starts or reaches a server, and learns its tools. The end of the scope is the end of the process, or of the HTTP
 * session.
 *
 * **Details**
 *
 * A process that ignores the end of its input is told to terminate after 250 ms, and killed 500 ms later, with
 * everything it started. One that died is started again by the next call: at once where it had lived for a minute, and
 * after a pause that doubles up to 30 s otherwise. A session that the server has forgotten is opened anew, and the call
 * that it refused is repeated.
 *
 * @category constructors
 * @since 0.1.0
 */
export const connect: (
  config: ServerConfig,
  options?: Options
) => Effect.Effect<Server, McpConnectError, Scope.Scope> = Effect.fn("Mcp.connect")(function*(config, options = {}) {
  const { observer = {} } = options
  const server = addressOf(config)
  const hide = Secrets.hide(config)
  const live = yield* LiveServer.make({
    startTimeout: options.startTimeout ?? Limits.startTimeout,
    open: (handlers) => open(config, handlers),
    warn: (text) => Effect.logWarning(`MCP server ${server}: ${hide(text)}`),
    onToolsChanged: (tools) => observer.onToolsChanged?.(server, tools) ?? Effect.void
  }).pipe(
    Effect.mapError(({ lastWords, text }) =>
      new McpConnectError({ server, text: hide(text), lastWords: hide(lastWords) })
    )
  )

  const chosen = chosenTools(config)
  return {
    name: config.name ?? live.identity.name ?? server,
    instructions: live.identity.instructions,
    get tools() {
      return chosen(live.tools())
    },
    callTool: (name, input) =>
      isChosen(config, name)
        ? live.callTool(name, input).pipe(
          Effect.mapError((text) => new ToolError({ text: hide(text) })),
          config.timeout === undefined ? identity : Effect.timeoutOrElse({
            duration: config.timeout,
            orElse: () =>
              Effect.fail(new ToolError({ text: `no answer within ${seconds(config.timeout!)}, its timeout` }))
          })
        )
        : Effect.fail(new ToolError({ text: `its tool ${name} is not among those that are allowed` }))
  }
})

const seconds = (millis: number) => Duration.format(Duration.millis(millis))

const isChosen = ({ allowTools, denyTools = [] }: ServerConfig, name: string) => {
  const matches = (globs: ReadonlyArray<string>) => globs.some((glob) => glob === name || matchesGlob(name, glob))
  return (allowTools === undefined || matches(allowTools)) && !matches(denyTools)
}

/** The tools that a configuration leaves: the same list as long as the server's list is the same. */
const chosenTools = (config: ServerConfig) => {
  let listed: ReadonlyArray<ServerTool> | undefined
  let chosen: ReadonlyArray<ServerTool> = []
  return (tools: ReadonlyArray<ServerTool>) => {
    if (tools !== listed) {
      listed = tools
      chosen = tools.filter(({ name }) => isChosen(config, name))
    }
    return chosen
  }
}

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

/** What a server says of the effects of a tool. */
const hint = ({ annotations = {} }: ServerTool): string =>
  annotations.readOnlyHint === true ? "(read-only)" : annotations.destructiveHint === true ? "(destructive)" : ""

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
    ...(tool.inputSchema === undefined ? {} : { inputSchema: tool.inputSchema }),
    outputSchema: resultSchema(tool.outputSchema)
  }
}

/** The tools of servers as a cell sees them. */
const definitions = (
  servers: ReadonlyArray<{ readonly namespace: string; readonly server: Server }>
): ReadonlyArray<ToolDefinition> => {
  const tools = servers.flatMap(({ namespace, server }) => server.tools.map((tool) => ({ namespace, tool })))
  const names = Names.distinct(tools.map(({ namespace, tool }) => namespace + tool.name))
  return tools.map(({ namespace, tool }, index) => definition(names[index]!, namespace, tool))
}

/**
 * A delegate whose tools are those of the given servers, which may be connected in any way. Notifications are dropped.
 *
 * **Details**
 *
 * A tool's name is `mcp__SERVER__TOOL`, with `_` for what cannot stand in an identifier. Where two servers have one name,
 * the second is `SERVER_2`. Where two tools have one name, one that needed no `_` keeps it, and the other is `TOOL_2`,
 * which its description says. `tools` are those that the servers last listed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (servers: ReadonlyArray<Server>): Effect.Effect<Delegate["Service"]> =>
  Effect.sync(() => {
    const names = Names.distinct(servers.map((server) => server.name))
    const named = servers.map((server, index) => ({
      server,
      name: names[index]!,
      namespace: Names.namespace(names[index]!)
    }))
    const byNamespace = new Map(named.map((each) => [each.namespace, each]))
    let listed: ReadonlyArray<ReadonlyArray<ServerTool>> = []
    let tools: ReadonlyArray<ToolDefinition> = []
    return Delegate.of({
      instructions: new Map(named.flatMap(({ namespace, server: { instructions } }) =>
        instructions === undefined ? [] : [[namespace, instructions]]
      )),
      get tools() {
        const now = servers.map((server) =>
          server.tools
        )
        if (now.some((list, index) => list !== listed[index])) {
          listed = now
          tools = definitions(named)
        }
        return tools
      },
      invokeTool: ({ input = {}, toolName }) => {
        const fullName = `${toolName.namespace ?? ""}${toolName.name}`
        const found = byNamespace.get(toolName.namespace ?? "")
        return found === undefined
          ? Effect.fail(new ToolError({ text: `unknown tool ${fullName}` }))
          : isJsonObject(input)
          ? Effect.mapError(
            found.server.callTool(toolName.name, input),
            ({ text }) => new ToolError({ text: `MCP server ${found.name}: ${text}` })
          )
          : Effect.fail(new ToolError({ text: `${fullName} takes an object as its argument` }))
      },
      notify: () => Effect.void
    })
  })

/** Connects servers in parallel, in the order in which they are given. Those that cannot be used are named together. */
const connectAll = Effect.fnUntraced(function*(
  servers: ReadonlyArray<ServerConfig>,
  options: Options
): Effect.fn.Return<ReadonlyArray<Server>, McpConnectError, Scope.Scope> {
  const connected = new Map<ServerConfig, Server>()
  const failures: Array<McpConnectError> = []
  const failed = yield* Deferred.make<void>()
  const start = Effect.fnUntraced(function*(config: ServerConfig) {
    const starting = connect(config, options)
    yield* (options.observer?.onStart?.(addressOf(config), starting) ?? starting).pipe(
      Effect.matchEffect({
        onSuccess: (server) => Effect.sync(() => connected.set(config, server)),
        onFailure: (error) =>
          config.optional === true ? Effect.logWarning(error.message) : Effect.suspend(() => {
            failures.push(error)
            return Deferred.succeed(failed, undefined)
          })
      })
    )
  })
  yield* Effect.raceFirst(
    Effect.forEach(servers, start, { concurrency: "unbounded", discard: true }),
    // Others that fail are named, too, if that does not take long.
    Deferred.await(failed).pipe(Effect.andThen(Effect.sleep(Limits.grace)))
  )
  const [first, ...others] = failures
  if (first !== undefined) {
    return yield* others.length === 0
      ? first
      : new McpConnectError({
        server: first.server,
        text: first.text,
        lastWords: first.lastWords,
        others: others.map(({ lastWords, server, text }) => ({ server, text, lastWords }))
      })
  }
  return servers.flatMap((config) => connected.get(config) ?? [])
})

/**
 * A host whose tools are those of the given servers. They start in parallel, and end with the layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  servers: ReadonlyArray<ServerConfig>,
  options: Options = {}
): Layer.Layer<Delegate, McpConnectError> =>
  Layer.effect(
    Delegate,
    Effect.gen(function*() {
      // Those that were given a name come first, and so keep it.
      const ordered = servers.toSorted((a, b) => Number(b.name !== undefined) - Number(a.name !== undefined))
      // Servers that leave slowly do so at the same time.
      const scope = yield* Scope.fork(yield* Effect.scope, "parallel")
      return yield* make(yield* Scope.provide(connectAll(ordered, options), scope))
    })
  )
