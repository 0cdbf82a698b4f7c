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
import * as Logger from "effect/Logger"
import { Stdio } from "effect/Stdio"
import type * as CodeMode from "./CodeMode.ts"
import type { Delegate } from "./Delegate.ts"
import type { Isolate } from "./Isolate.ts"
import * as ModelConnection from "./mcp-server/ModelConnection.ts"
import * as StdioService from "./mcp-server/StdioService.ts"
import type { IsolateFailure, LimitsInput } from "./Protocol.ts"
import * as Transport from "./wire/Transport.ts"

/**
 * How a server differs from a default one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** What it says its name and version are: those of this package, unless given. */
  readonly name?: string | undefined
  readonly version?: string | undefined
  /** What clients tell their models of it. */
  readonly instructions?: string | undefined
  /** How `exec` and `wait` differ from the default ones. */
  readonly codeMode?: CodeMode.Options | undefined
  /** The bounds of each session. */
  readonly limits?: LimitsInput | undefined
  /**
   * Whether `exec` and `wait` give `structuredContent`, and say so in an output schema. Not unless this is `true`: some
   * clients, Codex among them, show a model that content in the place of everything else, and so no image.
   */
  readonly structured?: boolean | undefined
}

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
