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
import { identity, memoize } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { matchesGlob } from "node:path"
import { Delegate } from "./Delegate.ts"
import * as Definitions from "./mcp/Definitions.ts"
import * as Environment from "./mcp/Environment.ts"
import * as HttpConnection from "./mcp/HttpConnection.ts"
import * as JsonRpc from "./mcp/JsonRpc.ts"
import * as Limits from "./mcp/Limits.ts"
import * as LiveServer from "./mcp/LiveServer.ts"
import * as Names from "./mcp/Names.ts"
import type { Handlers } from "./mcp/Peer.ts"
import * as Secrets from "./mcp/Secrets.ts"
import type { ServerConfig, StdioServer } from "./mcp/ServerConfig.ts"
import type { ServerConnection } from "./mcp/ServerConnection.ts"
import * as ServerProcess from "./mcp/ServerProcess.ts"
import type { ServerTool } from "./mcp/ToolList.ts"
import { type NestedToolCall, type ToolDefinition, ToolError } from "./Protocol.ts"
import type { NotStarted } from "./system/ChildProcess.ts"
import * as Platform from "./system/Platform.ts"
import * as Cut from "./text/Cut.ts"
import * as Visible from "./text/Visible.ts"

// =============================================================================
// Models
// =============================================================================

export {
  /**
   * A server that is reached over HTTP.
   *
   * @category models
   * @since 0.1.0
   */
  HttpServer,
  /**
   * How a server is reached.
   *
   * @category models
   * @since 0.1.0
   */
  ServerConfig,
  /**
   * A server that is started as a child process.
   *
   * @category models
   * @since 0.1.0
   */
  StdioServer
} from "./mcp/ServerConfig.ts"
import { isObject } from "./text/JsonValue.ts"

export {
  /**
   * A tool as its server describes it.
   *
   * @category models
   * @since 0.1.0
   */
  ServerTool
} from "./mcp/ToolList.ts"

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
  readonly callTool: (
    name: string,
    input: Schema.JsonObject,
    options?: CallOptions
  ) => Effect.Effect<Schema.Json, ToolError>
  /** What it has to read besides: a cell gets it by `list_resources` and `read_resource`. */
  readonly resources?: Resources | undefined
}

/**
 * What a server has to read. `list` gives its `resources` and `resourceTemplates`, `read` a whole `ReadResourceResult`.
 *
 * @category models
 * @since 0.1.0
 */
export type Resources = Definitions.Resources

/**
 * How a call differs from a default one.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallOptions {
  /** Hears of progress. With it, the server is asked to tell. */
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void>) | undefined
}

/**
 * How far a call has come: `progress` of `total`, where that is known, and what is being done.
 *
 * @category models
 * @since 0.1.0
 */
export interface Progress {
  readonly progress: number
  readonly total?: number | undefined
  readonly message?: string | undefined
}

/**
 * What a server asks of the person who uses it, by the schema of an object. The answer is accepted with `content`,
 * declined, or cancelled.
 *
 * @category models
 * @since 0.1.0
 */
export interface Elicitation {
  readonly server: string
  readonly message: string
  readonly schema: Schema.JsonObject
}

/**
 * What the person has answered: values, or that there are none. To `decline` is to say no; to `cancel`, not to say
 * anything.
 *
 * @category models
 * @since 0.1.0
 */
export type ElicitationAnswer =
  | { readonly action: "accept"; readonly content: Schema.JsonObject }
  | { readonly action: "decline" | "cancel" }

/**
 * An observer of what servers do besides answering.
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
  /** A call says how far it has come. */
  readonly onProgress?: ((call: NestedToolCall, progress: Progress) => Effect.Effect<void>) | undefined
  /** The server says something for its log. */
  readonly onLog?: ((server: string, level: string, text: string) => Effect.Effect<void>) | undefined
}

/**
 * How servers are started and observed, and what they are answered. Times are `Duration`s; a number is milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly observer?: Observer | undefined
  /** How long a server may take from its start to its list of tools: 60 seconds, unless given. */
  readonly startTimeout?: Duration.Input | undefined
  /** Answers what servers ask of the person who uses them. Without it, that is declined. */
  readonly elicit?: ((request: Elicitation) => Effect.Effect<ElicitationAnswer>) | undefined
  /** The folders that servers may take as theirs to work in, as URIs. Without them, servers are told of none. */
  readonly roots?: ReadonlyArray<{ readonly uri: string; readonly name?: string | undefined }> | undefined
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

const spawnFailure = ({ args = [], command, cwd }: StdioServer, { code, message }: NotStarted) => {
  switch (code) {
    case "ENOENT": {
      const folder = cwd === undefined ? "" : ` or no folder ${cwd}`
      return args.length === 0 && /\s/.test(command)
        ? `there is no command ${JSON.stringify(command)}${folder}: its arguments belong into "args"`
        : `there is no command ${command}${folder}: ${Platform.here.missingCommand}`
    }
    case "EACCES":
      return `${command} may not be run: is it executable?`
    case "E2BIG":
      return "its arguments or its environment are too long"
    case "ERR_INVALID_ARG_VALUE":
      // Node's own text shows the value, which may be a secret.
      return "its command, an argument, its folder or its environment has a null character"
    default:
      return message
  }
}

const open = (config: ServerConfig, handlers: Handlers): Effect.Effect<ServerConnection, string, Scope.Scope> =>
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
  const { elicit, observer = {}, roots } = options
  const hide = Secrets.hide(config)
  const server = hide(addressOf(config))
  let name = server
  const live = yield* LiveServer.make({
    startTimeout: options.startTimeout ?? Limits.startTimeout,
    capabilities: {
      ...(elicit === undefined ? {} : { elicitation: {} }),
      ...(roots === undefined ? {} : { roots: {} })
    },
    open: (handlers) => open(config, handlers),
    warn: (text) => Effect.logWarning(Visible.line(`MCP server ${server}: ${hide(text)}`)),
    onToolsChanged: (tools) => observer.onToolsChanged?.(name, tools) ?? Effect.void,
    onLog: (level, text) => observer.onLog?.(name, level, hide(text)) ?? Effect.void,
    onRequest: (method, params, over) =>
      method === "elicitation/create"
        // What is asked for a call is asked for nothing once the call is over.
        ? Effect.raceFirst(ask(elicit, server, params), Effect.as(over, { action: "cancel" }))
        : method === "roots/list" && roots !== undefined
        ? Effect.succeed({ roots: roots.map(({ name, uri }) => name === undefined ? { uri } : { uri, name }) })
        : undefined
  }).pipe(
    Effect.mapError(({ lastWords, text }) =>
      new McpConnectError({ server, text: hide(text), lastWords: hide(lastWords) })
    )
  )

  name = config.name ?? live.identity.name ?? server
  // The same list as long as the server's list is the same.
  const chosen = memoize((tools: ReadonlyArray<ServerTool>) => tools.filter(({ name }) => isChosen(config, name)))
  const within = <A>(answer: Effect.Effect<A, string>) =>
    answer.pipe(
      Effect.mapError((text) => new ToolError({ text: hide(text) })),
      config.timeout === undefined ? identity : Effect.timeoutOrElse({
        duration: config.timeout,
        orElse: () => Effect.fail(new ToolError({ text: `no answer within ${seconds(config.timeout!)}, its timeout` }))
      })
    )
  return {
    name,
    instructions: live.identity.instructions,
    get tools() {
      return chosen(live.tools())
    },
    callTool: (name, input, { onProgress } = {}) =>
      isChosen(config, name)
        ? within(live.callTool(name, input, {
          onProgress: onProgress === undefined ? undefined : (params) => {
            const progress = progressOf(params)
            return progress === undefined ? Effect.void : onProgress(progress)
          }
        }))
        : Effect.fail(new ToolError({ text: `its tool ${name} is not among those that are allowed` })),
    resources: live.identity.hasResources && isChosen(config, "read_resource")
      ? { list: within(live.listResources), read: (uri) => within(live.readResource(uri)) }
      : undefined
  }
})

/** Asks the person who uses a server. What the server wants to know is shortened: it goes to a screen. */
const ask = (elicit: Options["elicit"], server: string, params: Schema.JsonObject): Effect.Effect<Schema.JsonObject> =>
  elicit === undefined
    ? Effect.succeed({ action: "decline" })
    : Effect.map(
      elicit({
        server,
        message: typeof params.message === "string" ? Cut.marked(params.message, Limits.maxErrorText) : "",
        schema: isObject(params.requestedSchema ?? null) ? params.requestedSchema as Schema.JsonObject : {}
      }),
      (answer): Schema.JsonObject => ({ ...answer })
    )

const progressOf = ({ message, progress, total }: Schema.JsonObject): Progress | undefined =>
  typeof progress === "number"
    ? {
      progress,
      ...(typeof total === "number" ? { total } : {}),
      ...(typeof message === "string" ? { message: JsonRpc.excerpt(message) } : {})
    }
    : undefined

const seconds = (millis: number) => Duration.format(Duration.millis(millis))

const isChosen = ({ allowTools, denyTools = [] }: ServerConfig, name: string) => {
  const matches = (globs: ReadonlyArray<string>) => globs.some((glob) => glob === name || matchesGlob(name, glob))
  return (allowTools === undefined || matches(allowTools)) && !matches(denyTools)
}

// =============================================================================
// Delegates
// =============================================================================

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
export const make = (
  servers: ReadonlyArray<Server>,
  options: Pick<Options, "observer"> = {}
): Effect.Effect<Delegate["Service"]> =>
  Effect.sync(() => {
    const { onProgress } = options.observer ?? {}
    const names = Names.distinct(servers.map((server) => server.name))
    const named = servers.map((server, index) => ({
      server,
      name: names[index]!,
      namespace: Names.namespace(names[index]!)
    }))
    const byNamespace = new Map(named.map((each) => [each.namespace, each]))
    let listed: ReadonlyArray<ReadonlyArray<ServerTool>> = []
    let tools: ReadonlyArray<ToolDefinition> = []

    const invoke = (name: string, server: Server, call: NestedToolCall): Effect.Effect<Schema.Json, ToolError> => {
      const { input = {}, toolName } = call
      const fullName = `${toolName.namespace}${toolName.name}`
      const { list, read } = server.resources === undefined ? {} : Definitions.resourceTools(server.tools)
      const ask = <A>(answer: Effect.Effect<A, ToolError>) =>
        Effect.mapError(answer, ({ text }) => new ToolError({ text: `MCP server ${name}: ${text}` }))
      if (toolName.name === list) {
        return ask(server.resources!.list)
      }
      const given = toolName.name === read && typeof input === "string" ? { uri: input } : input
      return !isObject(given)
        ? Effect.fail(new ToolError({ text: `${fullName} takes an object as its argument` }))
        : toolName.name !== read
        ? ask(server.callTool(toolName.name, given, {
          onProgress: onProgress === undefined ? undefined : (progress) => onProgress(call, progress)
        }))
        : typeof given.uri === "string"
        ? ask(server.resources!.read(given.uri))
        : Effect.fail(new ToolError({ text: `${fullName} takes the URI of a resource` }))
    }

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
          tools = Definitions.definitions(
            named.map(({ namespace, server: { resources, tools } }) => ({ namespace, resources, tools }))
          )
        }
        return tools
      },
      invokeTool: (call) => {
        const { name, namespace } = call.toolName
        const found = byNamespace.get(namespace ?? "")
        return found === undefined
          ? Effect.fail(new ToolError({ text: `unknown tool ${namespace ?? ""}${name}` }))
          : invoke(found.name, found.server, call)
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
          config.optional === true ? Effect.logWarning(Visible.line(error.message)) : Effect.suspend(() => {
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
    return yield* others.length === 0 ? first : new McpConnectError({ ...first, others })
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
      return yield* make(yield* Scope.provide(connectAll(ordered, options), scope), options)
    })
  )
