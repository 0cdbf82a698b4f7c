/**
 * How a host serves a protocol: at two streams, at standard input and output, and at sockets.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"
import { SocketServer, type SocketServerError } from "effect/socket/SocketServer"
import { Stdio } from "effect/Stdio"
import type { Readable, Writable } from "node:stream"
import type { Isolate } from "../Isolate.ts"
import { Limits } from "../Protocol.ts"
import * as Frame from "./Frame.ts"
import type * as Listening from "./Listening.ts"
import { LiveCells } from "./LiveCells.ts"
import * as Transport from "./Transport.ts"
import * as UnixListener from "./UnixListener.ts"

/** What the connections of a host share. */
export interface SharedByClients {
  readonly limits: Limits
  readonly maxFrameBytes: number
  readonly liveCells: LiveCells
}

export interface Options {
  readonly limits?: Limits | undefined
  /** The longest payload of a message, either way: 64 MiB without it. */
  readonly maxFrameBytes?: number | undefined
}

/** What the connections of a host with these options share. */
export const toShared = ({ limits = Limits.make({}), maxFrameBytes }: Options = {}): SharedByClients => ({
  limits,
  maxFrameBytes: Frame.maxPayloadOf(maxFrameBytes),
  liveCells: new LiveCells(limits.maxLiveCells)
})

/** The ways to serve a protocol, of which `serve` serves one client until it leaves. */
export const make = (
  serve: (
    shared: SharedByClients,
    transport: Transport.Transport
  ) => Effect.Effect<void, Transport.ConnectionError, Isolate | Scope.Scope>
) => {
  const streams = (
    ends: { readonly input: Readable; readonly output: Writable },
    options?: Options
  ): Effect.Effect<void, Transport.ConnectionError, Isolate> =>
    Effect.scoped(Effect.suspend(() => serve(toShared(options), Transport.fromStreams(ends))))

  const stdio = (options?: Options): Effect.Effect<void, Transport.ConnectionError, Isolate | Stdio> =>
    Stdio.use((stdio) => Effect.scoped(serve(toShared(options), Transport.fromStdio(stdio)))).pipe(
      Effect.provideService(Logger.LogToStderr, true)
    )

  const sockets = (options?: Options): Effect.Effect<never, SocketServerError, Isolate | SocketServer> =>
    Effect.suspend(() => {
      const shared = toShared(options)
      return SocketServer.use(({ run }) =>
        run((socket) => Transport.surviving(Effect.scoped(serve(shared, Transport.fromSocket(socket)))))
      )
    })

  const unix = (
    path: string,
    options?: Options & {
      /** Runs once clients can connect. */
      readonly onListening?: Effect.Effect<void> | undefined
    }
  ): Effect.Effect<never, Listening.ListenError, Isolate> =>
    UnixListener.serving(path, sockets(options), options?.onListening)

  return { streams, stdio, sockets, unix }
}
