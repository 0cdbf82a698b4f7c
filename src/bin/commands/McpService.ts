/**
 * The MCP server as the command runs it.
 *
 * @internal
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import { Stdio } from "effect/Stdio"
import { createServer, type Server } from "node:http"
import { Delegate } from "../../Delegate.ts"
import * as McpClients from "../../mcp-server/Clients.ts"
import * as ModelConnection from "../../mcp-server/ModelConnection.ts"
import type * as ProtocolEnd from "../../mcp-server/ProtocolEnd.ts"
import * as StdioService from "../../mcp-server/StdioService.ts"
import * as McpServer from "../../McpServer.ts"
import * as V8 from "../../V8.ts"
import * as Listening from "../../wire/Listening.ts"
import * as Transport from "../../wire/Transport.ts"
import { foreign, text } from "../terminal/Printable.ts"
import * as Printer from "../terminal/Printer.ts"
import * as Failure from "./Failure.ts"
import { ServerOptions } from "./ToolFlags.ts"

/** What servers say and ask goes to the clients. */
const behind = <E, R>(tools: Layer.Layer<Delegate, E, R>): Layer.Layer<Delegate, E, R | McpClients.Clients> =>
  Layer.unwrap(
    Effect.map(McpClients.Clients, ({ options }) => Layer.provide(tools, Layer.succeed(ServerOptions, options)))
  )

/** So long the client waits for its first answer, so that it can be told which servers there are. */
const patience = "2 seconds"

/** So long a start that may fail is heard of once the client has left. */
const afterwards = "250 millis"

/**
 * Serves the client at standard input and output. Clients give up a server that does not answer soon, and servers may take
 * their time to start. So what needs their tools waits for them, and nothing else.
 */
export const stdio = Effect.fnUntraced(function*<E, R>(
  tools: Layer.Layer<Delegate, E, R>,
  options: ModelConnection.Options
) {
  const transport = Transport.fromStdio(yield* Stdio)
  const shared = yield* Layer.build(Layer.merge(V8.layer(), McpClients.layer))
  let delegate: Delegate["Service"] | undefined
  const started = yield* Layer.build(behind(tools)).pipe(
    Effect.provideContext(shared),
    Effect.map((context) => {
      delegate = Context.get(context, Delegate)
    }),
    Effect.forkScoped
  )
  const ready = { wait: Effect.ignore(Fiber.join(started)), delegate: () => delegate }
  const connect = (send: ProtocolEnd.Send) =>
    Effect.andThen(
      Effect.timeoutOption(ready.wait, patience),
      Effect.suspend(() => ModelConnection.makeLate(options, send, ready))
    ).pipe(Effect.provideContext(shared))
  const failed = Effect.andThen(Fiber.join(started), Effect.never)
  yield* Effect.raceFirst(StdioService.serve(transport, connect), failed)
  // What is wrong with the flags is said to a client that leaves at once, too.
  yield* Effect.timeoutOption(Fiber.join(started), afterwards)
}, Effect.scoped)

const path = "/mcp"

/** Says where it is. At the end, nothing that a client holds open keeps us waiting. */
const announced = (server: Server) =>
  Layer.effectDiscard(Effect.gen(function*() {
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
    )
    yield* Printer.tell(
      text`effect-code-mode: listening at ${
        foreign("address of the server", `${Listening.urlOf(server)}${path}`, "output")
      }`
    )
  }))

/** Serves until the process is told to end. */
export const http = <E, R>(
  tools: Layer.Layer<Delegate, E, R>,
  { host, port, ...options }: McpServer.HttpOptions & { readonly host: string; readonly port: number }
) => {
  const server = createServer()
  const listening = NodeHttpServer.layer(() => server, { host, port, gracefulShutdownTimeout: "250 millis" })
  return announced(server).pipe(
    Layer.provideMerge(
      HttpRouter.serve(McpServer.layerHttp({ path, ...options }), { disableLogger: true, disableListenLog: true })
    ),
    Layer.provide(listening),
    Layer.catchTag(
      "ServeError",
      ({ cause }) =>
        Layer.effectDiscard(Failure.toStart(text`--http: ${foreign("error of the server", String(cause), "quote")}`))
    ),
    Layer.provide(behind(tools)),
    Layer.provide([V8.layer(), McpClients.layer]),
    Layer.launch
  )
}
