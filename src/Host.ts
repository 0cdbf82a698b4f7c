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
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { SocketServer, type SocketServerError } from "effect/socket/SocketServer"
import { Stdio } from "effect/Stdio"
import type { Readable, Writable } from "node:stream"
import * as Connection from "./host/Connection.ts"
import type { Isolate } from "./Isolate.ts"
import { Limits } from "./Protocol.ts"
import * as Frame from "./wire/Frame.ts"
import { LiveCells } from "./wire/LiveCells.ts"
import * as Transport from "./wire/Transport.ts"
import * as UnixListener from "./wire/UnixListener.ts"

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
export type ListenError = UnixListener.ListenError

/**
 * `limits` are the bounds of each session, `maxLiveCells` the one of all sessions together.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly limits?: Limits | undefined
  /** The longest payload of a message, either way: 64 MiB without it. */
  readonly maxFrameBytes?: number | undefined
}

const makeHost = ({ limits = Limits.make({}), maxFrameBytes }: Options = {}): Connection.Host => ({
  limits,
  maxFrameBytes: Frame.maxPayloadOf(maxFrameBytes),
  liveCells: new LiveCells(limits.maxLiveCells)
})

/**
 * Serves one client, which is at the other end of two streams, until it leaves.
 *
 * @category running
 * @since 0.1.0
 */
export const serve = (
  streams: { readonly input: Readable; readonly output: Writable },
  options?: Options
): Effect.Effect<void, ConnectionError, Isolate> =>
  Effect.suspend(() => Connection.serve(makeHost(options), Transport.fromStreams(streams)))

/**
 * Serves the one client at standard input and output. What it logs goes to standard error.
 *
 * @category running
 * @since 0.1.0
 */
export const serveStdio = (options?: Options): Effect.Effect<void, ConnectionError, Isolate | Stdio> =>
  Effect.flatMap(Stdio, (stdio) => Connection.serve(makeHost(options), Transport.fromStdio(stdio))).pipe(
    Effect.provideService(Logger.LogToStderr, true)
  )

/**
 * Serves every client of a socket server.
 *
 * @category running
 * @since 0.1.0
 */
export const serveSockets = (options?: Options): Effect.Effect<never, SocketServerError, Isolate | SocketServer> =>
  Effect.suspend(() => {
    const host = makeHost(options)
    return SocketServer.use(({ run }) =>
      run((socket) => Transport.surviving(Connection.serve(host, Transport.fromSocket(socket))))
    )
  })

/**
 * Serves every client that connects to a Unix domain socket. Only the user who runs the host can.
 *
 * @category running
 * @since 0.1.0
 */
export const serveUnix = (
  path: string,
  options?: Options & {
    /** Runs once clients can connect. */
    readonly onListening?: Effect.Effect<void> | undefined
  }
): Effect.Effect<never, ListenError, Isolate> => UnixListener.serving(path, serveSockets(options), options?.onListening)
