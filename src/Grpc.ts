/**
 * Serves sessions to other processes over gRPC: the service `codex.code_mode.v1`, which the Codex CLI speaks by itself.
 *
 * **Details**
 *
 * The client of a session is its delegate: it subscribes to tool calls and completes them, and hears of notifications
 * with the other events of the session. A session ends with the call that opened it.
 *
 * **Example** (A host at a port of this machine)
 *
 * ```ts
 * import * as Grpc from "effect-code-mode/Grpc"
 * import * as V8 from "effect-code-mode/V8"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.provide(Grpc.serveTcp({ host: "127.0.0.1", port: 50_051 }), V8.layer())
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import type { Duplex } from "node:stream"
import * as CodeModeService from "./host/grpc/CodeModeService.ts"
import * as HealthService from "./host/grpc/HealthService.ts"
import type { Isolate } from "./Isolate.ts"
import * as Calls from "./wire/grpc/Calls.ts"
import * as StdioDuplex from "./wire/grpc/StdioDuplex.ts"
import * as TcpListener from "./wire/grpc/TcpListener.ts"
import type * as Listening from "./wire/Listening.ts"
import * as Serving from "./wire/Serving.ts"

/**
 * `limits` are the bounds of each session, `maxLiveCells` the one of all sessions together, `maxFrameBytes` the length of
 * a message, either way.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = Serving.Options

/**
 * A port that could not be listened at.
 *
 * @category errors
 * @since 0.1.0
 */
export type ListenError = Listening.ListenError

/**
 * Serves one client, which is at the other end of a stream, until it leaves.
 *
 * @category running
 * @since 0.1.0
 */
export const serve = (duplex: Duplex, options?: Options): Effect.Effect<void, never, Isolate> =>
  Effect.suspend(() => {
    const host = Serving.toShared(options)
    return Calls.serve(duplex, { methods: CodeModeService.make(host), maxMessageBytes: host.maxFrameBytes })
  })

/**
 * Serves the one client at standard input and output. What it logs goes to standard error.
 *
 * @category running
 * @since 0.1.0
 */
export const serveStdio = (options?: Options): Effect.Effect<void, never, Isolate> =>
  Effect.suspend(() => serve(StdioDuplex.make(), options)).pipe(Effect.provideService(Logger.LogToStderr, true))

/**
 * Serves every client that connects to a port, which may be 0 for one that is free. A program that reaches the port can run cells
 * there: `host` should be an address of this machine alone.
 *
 * A probe finds `/healthz`, over HTTP/1 and HTTP/2, and `grpc.health.v1`.
 *
 * @category running
 * @since 0.1.0
 */
export const serveTcp = (
  address: { readonly host: string; readonly port: number },
  options?: Options & {
    /** Runs once clients can connect, with the URL where they can. */
    readonly onListening?: ((url: string) => Effect.Effect<void>) | undefined
  }
): Effect.Effect<never, ListenError, Isolate> =>
  Effect.suspend(() => {
    const host = Serving.toShared(options)
    const methods = new Map([...CodeModeService.make(host), ...HealthService.methods])
    return TcpListener.serving(
      address,
      (socket) => Calls.serve(socket, { methods, maxMessageBytes: host.maxFrameBytes, probe: TcpListener.probe }),
      options?.onListening
    )
  })
