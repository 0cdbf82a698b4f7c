/**
 * A `SessionRuntime` whose cells live in another process.
 *
 * **Details**
 *
 * The session is used like one of this process: the same service, the same delegate, the same typed errors. A host
 * serves it: a process that is started for it, or one that listens at a Unix domain socket. Sessions that are given
 * the same `Connection` share it.
 *
 * When the host is lost, its cells end with an `IsolateLost` error, and the next cell starts a new host. What was
 * stored is lost too, and a cell id of the host before is a `MissingCell` that says so.
 *
 * **Example** (A session in a process of its own)
 *
 * ```ts
 * import * as NodeServices from "@effect/platform-node/NodeServices"
 * import * as Delegate from "effect-code-mode/Delegate"
 * import * as Remote from "effect-code-mode/Remote"
 * import * as Layer from "effect/Layer"
 *
 * const layer = Remote.layer().pipe(
 *   Layer.provide([Delegate.layerNoop, Remote.layerProcess()]),
 *   Layer.provide(NodeServices.layer)
 * )
 * ```
 *
 * **Example** (A host on a socket)
 *
 * ```ts
 * import * as Remote from "effect-code-mode/Remote"
 * import * as V8 from "effect-code-mode/V8"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.provide(Remote.serveUnix("/run/sessions.sock"), V8.layer())
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import type { Delegate } from "./Delegate.ts"
import * as HostConnection from "./remote/HostConnection.ts"
import * as RemoteSession from "./remote/RemoteSession.ts"
import * as Server from "./remote/Server.ts"
import * as Way from "./remote/Way.ts"
import { SessionRuntime } from "./Runtime.ts"
import type * as Listening from "./wire/Listening.ts"
import * as Serving from "./wire/Serving.ts"
import type * as Transport from "./wire/Transport.ts"

/**
 * No host could be reached.
 *
 * @category errors
 * @since 0.1.0
 */
export type HostFailure = Way.HostFailure

/**
 * A client that does not speak the protocol.
 *
 * @category errors
 * @since 0.1.0
 */
export type ConnectionError = Transport.ConnectionError

/**
 * A socket that could not be made.
 *
 * @category errors
 * @since 0.1.0
 */
export type ListenError = Listening.ListenError

// =============================================================================
// Connections
// =============================================================================

/**
 * The way to a host, for the sessions that are there. It is made when the first of them needs it, and made anew when it
 * was lost and one of them needs it again.
 *
 * @category services
 * @since 0.1.0
 */
export class Connection extends Context.Service<Connection, HostConnection.Connections>()(
  "effect-code-mode/Remote/Connection"
) {}

/**
 * `maxFrameBytes` is the longest message, either way, as the host has it: 64 MiB without it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionOptions {
  readonly maxFrameBytes?: number | undefined
}

/**
 * A command that starts a host, which speaks at its standard input and output.
 *
 * @category models
 * @since 0.1.0
 */
export type Command = Way.Command

/**
 * Connects to a host that is started, and ended with the layer: this package's own, unless `host` says otherwise.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerProcess = (
  options?: ConnectionOptions & { readonly host?: Command | undefined }
): Layer.Layer<Connection, never, ChildProcessSpawner> =>
  Layer.effect(
    Connection,
    HostConnection.makeConnections(Way.start(options?.host ?? Way.ownHost), options?.maxFrameBytes)
  )

/**
 * Connects to a host that listens at a Unix domain socket.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerUnix = (path: string, options?: ConnectionOptions): Layer.Layer<Connection> =>
  Layer.effect(Connection, HostConnection.makeConnections(Way.connect(path), options?.maxFrameBytes))

// =============================================================================
// Sessions
// =============================================================================

/**
 * `limits` are the bounds of the session: without them, those of the host.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = RemoteSession.Options

/**
 * Makes a session at a host that lives as long as its scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options?: Options
): Effect.Effect<SessionRuntime["Service"], HostFailure, Connection | Delegate | Scope.Scope> =>
  Connection.use((connections) => RemoteSession.make(connections, options))

/**
 * A session at a host, over the delegate that it is given.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<SessionRuntime, HostFailure, Connection | Delegate> =>
  Layer.effect(SessionRuntime, make(options))

// =============================================================================
// Hosts
// =============================================================================

/**
 * `limits` are the bounds of each session that brings none, and `maxLiveCells` also that of all sessions together.
 *
 * @category models
 * @since 0.1.0
 */
export type ServeOptions = Serving.Options

const serving = Serving.make(Server.serve)

/**
 * Serves sessions to the one client at standard input and output, until it leaves. What is logged goes to standard error.
 *
 * @category running
 * @since 0.1.0
 */
export const serveStdio = serving.stdio

/**
 * Serves sessions to every client of a socket server.
 *
 * @category running
 * @since 0.1.0
 */
export const serveSockets = serving.sockets

/**
 * Serves sessions to every client that connects to a Unix domain socket. Only the user who runs the host can.
 *
 * @category running
 * @since 0.1.0
 */
export const serveUnix = serving.unix
