/**
 * Serves sessions to other processes, over framed JSON: the wire protocol of code-mode hosts, version 1.
 *
 * **Details**
 *
 * The client of a connection is the delegate of its sessions: tool calls and notifications travel to it, their answers
 * back. A client that goes away ends its sessions; the other clients of the host do not notice.
 *
 * **Example** (A host on a socket)
 *
 * ```ts
 * import * as Host from "effect-code-mode/Host"
 * import * as V8 from "effect-code-mode/V8"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.provide(Host.serveUnix("/run/code-mode.sock"), V8.layer())
 * ```
 *
 * @since 0.1.0
 */
import * as ClientConnection from "./host/ClientConnection.ts"
import type * as Listening from "./wire/Listening.ts"
import * as Serving from "./wire/Serving.ts"
import type * as Transport from "./wire/Transport.ts"

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

/**
 * `limits` are the bounds of each session, `maxLiveCells` the one of all sessions together.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = Serving.Options

const serving = Serving.make(ClientConnection.serve)

/**
 * Serves one client, which is at the other end of two streams, until it leaves.
 *
 * @category running
 * @since 0.1.0
 */
export const serve = serving.streams

/**
 * Serves the one client at standard input and output. What it logs goes to standard error.
 *
 * @category running
 * @since 0.1.0
 */
export const serveStdio = serving.stdio

/**
 * Serves every client of a socket server.
 *
 * @category running
 * @since 0.1.0
 */
export const serveSockets = serving.sockets

/**
 * Serves every client that connects to a Unix domain socket. Only the user who runs the host can.
 *
 * @category running
 * @since 0.1.0
 */
export const serveUnix = serving.unix
