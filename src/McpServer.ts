/**
 * Code mode as an MCP server: any client that speaks the Model Context Protocol gets the tools `exec`, `wait` and `search`
 * for a session whose cells call the tools of a `Delegate`.
 *
 * **Details**
 *
 * Every connection has a session of its own, which ends with it. What it lists is what the delegate lists at that moment.
 *
 * **Example** (A server at standard input and output)
 *
 * ```ts
 * import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
 * import * as NodeStdio from "@effect/platform-node/NodeStdio"
 * import * as Mcp from "effect-code-mode/Mcp"
 * import * as McpServer from "effect-code-mode/McpServer"
 * import * as V8 from "effect-code-mode/V8"
 * import * as Effect from "effect/Effect"
 *
 * const tools = Mcp.layer([{ name: "memory", command: "mcp-server-memory" }])
 *
 * const program = McpServer.serveStdio().pipe(Effect.provide([tools, V8.layer(), NodeStdio.layer]))
 *
 * export const main = () => NodeRuntime.runMain(program)
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { Stdio } from "effect/Stdio"
import type { Delegate } from "./Delegate.ts"
import type { Isolate } from "./Isolate.ts"
import * as HttpService from "./mcp-server/HttpService.ts"
import * as ModelConnection from "./mcp-server/ModelConnection.ts"
import * as StdioService from "./mcp-server/StdioService.ts"
import type { IsolateFailure } from "./Protocol.ts"
import * as Transport from "./wire/Transport.ts"

/**
 * How a server differs from a default one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends ModelConnection.Options {}

export {
  /**
   * The clients that are connected, for MCP servers behind the delegate: `options` are those of `Mcp.layer` which pass on
   * to them what servers ask, and say for their logs, and tell them when tools change.
   *
   * **Details**
   *
   * A question of a server goes to the client that it must be for: the only one, or the only one with a call of that
   * server under way. Otherwise it is declined.
   *
   * **Example** (Servers that may ask the user of the client)
   *
   * ```ts
   * import * as Mcp from "effect-code-mode/Mcp"
   * import * as McpServer from "effect-code-mode/McpServer"
   * import * as Effect from "effect/Effect"
   * import * as Layer from "effect/Layer"
   *
   * const tools = Layer.unwrap(Effect.map(McpServer.Clients, ({ options }) =>
   *   Mcp.layer([{ name: "memory", command: "mcp-server-memory" }], options)
   * )).pipe(Layer.provideMerge(McpServer.layerClients))
   * ```
   *
   * @category services
   * @since 0.1.0
   */
  Clients,
  /**
   * @category layers
   * @since 0.1.0
   */
  layer as layerClients
} from "./mcp-server/Clients.ts"

/**
 * How a server over HTTP differs from a default one.
 *
 * @category models
 * @since 0.1.0
 */
export interface HttpOptions extends HttpService.Options {}

/**
 * A route that serves any number of clients over streamable HTTP, each with a session of its own. They share the delegate.
 *
 * **Example** (A server at a port)
 *
 * ```ts
 * import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
 * import * as Mcp from "effect-code-mode/Mcp"
 * import * as McpServer from "effect-code-mode/McpServer"
 * import * as V8 from "effect-code-mode/V8"
 * import * as HttpRouter from "effect/http/HttpRouter"
 * import * as Layer from "effect/Layer"
 * import { createServer } from "node:http"
 *
 * const tools = Mcp.layer([{ name: "memory", command: "mcp-server-memory" }])
 *
 * const server = HttpRouter.serve(McpServer.layerHttp()).pipe(
 *   Layer.provide([tools, V8.layer(), NodeHttpServer.layer(createServer, { port: 3000, host: "127.0.0.1" })])
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerHttp = (
  options: HttpOptions = {}
): Layer.Layer<never, never, Delegate | Isolate | HttpRouter.HttpRouter> =>
  Layer.effectDiscard(HttpService.serve(options))

/**
 * Serves the client at standard input and output, until its input ends: then requests in flight have a second to end. What
 * is logged goes to standard error.
 *
 * @category running
 * @since 0.1.0
 */
export const serveStdio = (
  options: Options = {}
): Effect.Effect<void, IsolateFailure, Delegate | Isolate | Stdio> =>
  Stdio.use((stdio) => StdioService.serve(Transport.fromStdio(stdio), (send) => ModelConnection.make(options, send)))
    .pipe(Effect.provideService(Logger.LogToStderr, true))
