/**
 * A server of sockets begins to listen, or says why it cannot.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"

/** The socket could not be made, or the port is not to be had. */
export class ListenError extends Schema.TaggedError<ListenError>("effect-code-mode/host/ListenError")("ListenError", {
  path: Schema.String,
  text: Schema.String
}) {
  override get message() {
    return `cannot listen on ${this.path}: ${this.text}`
  }
}

/** A server that listens nowhere yet, and no more once the scope is closed. */
export const server = (onConnection: (socket: Net.Socket) => void): Effect.Effect<Net.Server, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => Net.createServer({ allowHalfOpen: true }, onConnection)),
    (server) => Effect.sync(() => server.close())
  )

/** Where clients find a server. */
export const urlOf = (server: Net.Server): string => {
  const { address, family, port } = server.address() as Net.AddressInfo
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`
}

/** Listens as `begin` tells the server to. From then on a connection that cannot be taken is the loss of one client alone. */
export const listen = (server: Net.Server, begin: () => void): Effect.Effect<void, NodeJS.ErrnoException> =>
  Effect.callback((resume) => {
    const onError = (error: Error) => {
      server.off("listening", onListening)
      resume(Effect.fail(error))
    }
    const onListening = () => {
      server.off("error", onError).on("error", () => {})
      resume(Effect.void)
    }
    server.once("error", onError).once("listening", onListening)
    begin()
  })
