/**
 * A Unix domain socket that only its owner can use.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import { unixPathAddress } from "effect/net/NetAddress"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { SocketServer, type SocketServerError } from "effect/socket/SocketServer"
import { linkSync, lstatSync, renameSync, unlinkSync } from "node:fs"
import * as Net from "node:net"
import { dirname, join } from "node:path"

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
      // A connection that could not be taken is the loss of one client alone.
      server.off("error", onError).on("error", () => {})
      resume(Effect.void)
    }
    server.once("error", onError).once("listening", onListening)
    // The socket is made within this call, and no other user can ever have opened it.
    const umask = process.umask(onlyOwner)
    server.listen(path)
    process.umask(umask)
  })

const change = (path: string, run: () => void): Effect.Effect<void, ListenError> =>
  Effect.try({ try: run, catch: (error) => new ListenError({ path, text: (error as Error).message }) })

/** Whether it is a socket that a host has left behind: no process listens there. */
const isAbandoned = (path: string): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) {
      return resume(Effect.succeed(false))
    }
    const socket = Net.connect(path)
    const done = (abandoned: boolean) => {
      socket.destroy()
      resume(Effect.succeed(abandoned))
    }
    socket.once("connect", () => done(false))
    // Other errors are those of a host that has too much to do.
    socket.once("error", (error: NodeJS.ErrnoException) => done(error.code === "ECONNREFUSED"))
    return Effect.sync(() => socket.destroy())
  })

/** Clears the path of a socket that was left behind. False if there is something else. */
const clear = Effect.fnUntraced(function*(path: string) {
  if (!(yield* isAbandoned(path))) {
    return false
  }
  // Another host may have cleared the path meanwhile, and listen there: what is taken away is looked at once more.
  const aside = join(dirname(path), `.cm-${process.pid}-${process.hrtime.bigint().toString(36)}`)
  yield* change(path, () => renameSync(path, aside))
  const abandoned = yield* isAbandoned(aside)
  yield* change(path, () => {
    if (!abandoned) {
      linkSync(aside, path)
    }
    unlinkSync(aside)
  })
  return abandoned
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
          (error) => Effect.flatMap(clear(path), (cleared) => cleared ? attempt(server, path) : Effect.fail(error))
        )
      )
    ),
    Effect.mapError((error) => error instanceof ListenError ? error : new ListenError({ path, text: error.message }))
  )

/** A server of the sockets that connect at a path. */
export const layer = (path: string): Layer.Layer<SocketServer, ListenError> =>
  Layer.effect(
    SocketServer,
    Effect.gen(function*() {
      // Loaded where it is needed, for it takes long: a host at standard input is to be there soon.
      const { fromDuplex } = yield* Effect.promise(() => import("@effect/platform-node/NodeSocket"))
      const waiting: Array<Net.Socket> = []
      let onConnection = (socket: Net.Socket): unknown => waiting.push(socket)
      yield* listen(path, (socket) => {
        socket.on("error", () => {}).pause()
        onConnection(socket)
      })
      return SocketServer.of({
        address: unixPathAddress(path),
        run: Effect.fnUntraced(function*(handler) {
          const runFork = yield* FiberSet.makeRuntime<Effect.Services<ReturnType<typeof handler>>>()
          onConnection = (socket) => {
            const open = Effect.acquireRelease(
              Effect.succeed(socket),
              (socket) => Effect.sync(() => socket.destroySoon())
            )
            return runFork(Effect.flatMap(fromDuplex(open), handler))
          }
          waiting.splice(0).forEach(onConnection)
          return yield* Effect.never
        }, Effect.scoped)
      })
    })
  )

/** What serves the sockets of a server, at a path. */
export const serving = <R>(
  path: string,
  serve: Effect.Effect<never, SocketServerError, R | SocketServer>,
  onListening: Effect.Effect<void> = Effect.void
): Effect.Effect<never, ListenError, Exclude<R, SocketServer>> =>
  Effect.andThen(onListening, serve).pipe(
    Effect.provide(layer(path)),
    Effect.catchTag("SocketServerError", Effect.die)
  )
