/**
 * A Unix domain socket that only its owner can use.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import { unixPathAddress } from "effect/net/NetAddress"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { SocketServer, type SocketServerError } from "effect/socket/SocketServer"
import { createHash } from "node:crypto"
import { lstatSync, unlinkSync } from "node:fs"
import * as Net from "node:net"
import { resolve } from "node:path"
import * as Platform from "../system/Platform.ts"
import * as Listening from "./Listening.ts"
import { ListenError } from "./Listening.ts"

const onlyOwner = 0o177

const attempt = (server: Net.Server, path: string): Effect.Effect<void, NodeJS.ErrnoException> =>
  Listening.listen(server, () => {
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

/** How long another host may take to clear the path. */
const betweenAttempts = "10 millis"
const attempts = 500

/**
 * Only one host at a time looks whether a path is abandoned, and clears it: it would take the socket of another one that has
 * just done so. The kernel takes the name away with its process. Where it has no such names, hosts that start at the same
 * moment may still do that.
 */
const alone = (path: string): Effect.Effect<void, NodeJS.ErrnoException, Scope.Scope> => {
  if (!Platform.here.hasAbstractSockets) {
    return Effect.void
  }
  const name = createHash("sha256").update(resolve(path)).digest("hex")
  return Listening.server((socket) => socket.destroy()).pipe(
    Effect.flatMap((server) => attempt(server, `\0effect-code-mode-${Platform.user()}-${name}`)),
    Effect.retry({
      while: ({ code }) => code === "EADDRINUSE",
      schedule: Schedule.spaced(betweenAttempts),
      times: attempts
    })
  )
}

/** Listens where another host has left its socket, if that is what is there. */
const replace = (server: Net.Server, path: string, error: NodeJS.ErrnoException) =>
  Effect.scoped(Effect.gen(function*() {
    yield* alone(path)
    if (!(yield* isAbandoned(path))) {
      return yield* Effect.fail(error)
    }
    yield* change(path, () => unlinkSync(path))
    yield* attempt(server, path)
  }))

/** Elsewhere a path would be the name of something that every user can open. */
const refuse = (path: string, { hasSocketFiles, name } = Platform.here): Effect.Effect<void, ListenError> =>
  hasSocketFiles
    ? Effect.void
    : Effect.fail(new ListenError({ path, text: `${name} has no sockets in files: listen at a port of this machine` }))

/** Hands every client's connection to `onConnection`, until the scope closes. */
const listen = (
  path: string,
  onConnection: (socket: Net.Socket) => void
): Effect.Effect<void, ListenError, Scope.Scope> =>
  refuse(path).pipe(
    Effect.andThen(Listening.server(onConnection)),
    Effect.flatMap((server) =>
      attempt(server, path).pipe(
        // A host that was killed leaves its socket behind.
        Effect.catchIf(
          (error) => error.code === "EADDRINUSE",
          (error) => replace(server, path, error)
        )
      )
    ),
    Effect.mapError((error) => error instanceof ListenError ? error : new ListenError({ path, text: error.message }))
  )

/** A server of the sockets that connect at a path. */
const layer = (path: string): Layer.Layer<SocketServer, ListenError> =>
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
