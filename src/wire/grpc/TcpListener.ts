/**
 * A port at which clients speak HTTP/2 without an upgrade, and probes HTTP/1.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import type * as Net from "node:net"
import * as Listening from "../Listening.ts"

/** Where a plain GET tells whether the host is there. */
export const probe = "/healthz"

const maxClients = 1024

/** How long a client may take to say what it speaks. */
const firstWordMillis = 10_000

const http2 = "PRI"

/** Everything else that HTTP/1 could ask for is asked of the wrong version. */
const probes = () =>
  Http.createServer((request, response) => {
    const isProbe = request.url?.split("?")[0] === probe && (request.method === "GET" || request.method === "HEAD")
    response.writeHead(isProbe ? 200 : 505, { connection: "close" }).end()
  })

/** Hands a client on once it has begun to speak, with everything that it has said. */
const sort = (socket: Net.Socket, onHttp2: (socket: Net.Socket) => void, onHttp1: (socket: Net.Socket) => void) => {
  socket.on("error", () => {}).setNoDelay(true)
  socket.setTimeout(firstWordMillis, () => socket.destroy())
  socket.once("readable", () => {
    const said = socket.read() as Buffer | null
    if (said === null) {
      return socket.destroy()
    }
    socket.setTimeout(0)
    socket.unshift(said)
    return http2.startsWith(said.toString("latin1", 0, http2.length)) ? onHttp2(socket) : onHttp1(socket)
  })
}

const listen = (
  { host, port }: { readonly host: string; readonly port: number },
  onConnection: (socket: Net.Socket) => void
): Effect.Effect<Net.Server, Listening.ListenError, Scope.Scope> =>
  Listening.server(onConnection).pipe(
    Effect.tap((server) => {
      server.maxConnections = maxClients
      return Listening.listen(server, () => server.listen(port, host))
    }),
    Effect.mapError(({ message }) => new Listening.ListenError({ path: `${host}:${port}`, text: message }))
  )

/** Serves every client of a port, each until it leaves. */
export const serving = Effect.fnUntraced(function*<R>(
  address: { readonly host: string; readonly port: number },
  serve: (socket: Net.Socket) => Effect.Effect<void, never, R>,
  onListening?: (url: string) => Effect.Effect<void>
): Effect.fn.Return<never, Listening.ListenError, R | Scope.Scope> {
  const runFork = yield* FiberSet.makeRuntime<R>()
  const http1 = probes()
  const server = yield* listen(address, (socket) =>
    sort(
      socket,
      (socket) => runFork(Effect.catchDefect(serve(socket), (defect) => Effect.logError("This is a bug", defect))),
      (socket) => http1.emit("connection", socket)
    ))
  yield* onListening?.(Listening.urlOf(server)) ?? Effect.void
  return yield* Effect.never
}, Effect.scoped)
