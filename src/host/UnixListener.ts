/**
 * A Unix domain socket that only its owner can use.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { unlinkSync } from "node:fs"
import * as Net from "node:net"

/** The socket could not be made. */
export class ListenError extends Schema.TaggedError<ListenError>("effect-code-mode/host/ListenError")("ListenError", {
  path: Schema.String,
  text: Schema.String
}) {
  override get message() {
    return `cannot listen on ${this.path}: ${this.text}`
  }
}

const onlyOwner = 0o177

const attempt = (server: Net.Server, path: string): Effect.Effect<void, NodeJS.ErrnoException> =>
  Effect.callback((resume) => {
    const onError = (error: Error) => {
      server.off("listening", onListening)
      resume(Effect.fail(error))
    }
    const onListening = () => {
      server.off("error", onError)
      resume(Effect.void)
    }
    server.once("error", onError).once("listening", onListening)
    // The socket is made within this call, and nobody else can ever have opened it.
    const umask = process.umask(onlyOwner)
    server.listen(path)
    process.umask(umask)
  })

/** Whether somebody answers at the socket. */
const isServed = (path: string): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const socket = Net.connect(path)
    const done = (served: boolean) => {
      socket.destroy()
      resume(Effect.succeed(served))
    }
    socket.once("connect", () => done(true)).once("error", () => done(false))
    return Effect.sync(() => socket.destroy())
  })

/** Hands every client's connection to `onConnection`, until the scope closes. */
export const listen = (
  path: string,
  onConnection: (socket: Net.Socket) => void
): Effect.Effect<void, ListenError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => Net.createServer({ allowHalfOpen: true }, onConnection)),
    (server) => Effect.sync(() => server.close())
  ).pipe(
    Effect.flatMap((server) =>
      attempt(server, path).pipe(
        // A host that was killed leaves its socket behind.
        Effect.catchIf(
          (error) => error.code === "EADDRINUSE",
          (error) =>
            Effect.flatMap(isServed(path), (served) =>
              served
                ? Effect.fail(error)
                : Effect.andThen(Effect.sync(() => unlinkSync(path)), attempt(server, path)))
        )
      )
    ),
    Effect.mapError((error) => new ListenError({ path, text: error.message }))
  )
