/**
 * The MCP server as the command runs it: while servers start, the end of its input is seen already.
 *
 * @internal
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import { Stdio } from "effect/Stdio"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import type { Delegate } from "../../Delegate.ts"
import type { Isolate } from "../../Isolate.ts"
import * as McpClients from "../../mcp-server/Clients.ts"
import * as ModelConnection from "../../mcp-server/ModelConnection.ts"
import * as StdioService from "../../mcp-server/StdioService.ts"
import * as McpServer from "../../McpServer.ts"
import * as Transport from "../../wire/Transport.ts"
import { foreign, text } from "../terminal/Printable.ts"
import * as Printer from "../terminal/Printer.ts"
import * as Failure from "./Failure.ts"
import { ServerOptions } from "./ToolFlags.ts"

/** What servers say and ask goes to the clients. */
export const shared = <E, R>(tools: Layer.Layer<Delegate, E, R>): Layer.Layer<Delegate | McpClients.Clients, E, R> =>
  Layer.unwrap(
    Effect.map(McpClients.Clients, ({ options }) => Layer.provide(tools, Layer.succeed(ServerOptions, options)))
  ).pipe(
    Layer.provideMerge(McpClients.layer)
  )

export const stdio = Effect.fnUntraced(function*<E, R>(
  services: Layer.Layer<Delegate | Isolate | McpClients.Clients, E, R>,
  options: ModelConnection.Options
) {
  const transport = Transport.fromStdio(yield* Stdio)
  yield* StdioService.serve(transport, (send) =>
    Effect.flatMap(
      Layer.build(services),
      (context) => Effect.provideContext(ModelConnection.make(options, send), context)
    ))
})

const path = "/mcp"

/** Says where it is. At the end, nothing that a client holds open keeps us waiting. */
const announced = (server: Server) =>
  Layer.effectDiscard(Effect.gen(function*() {
    const { address, family, port } = server.address() as AddressInfo
    const host = family === "IPv6" ? `[${address}]` : address
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
    )
    yield* Printer.tell(
      text`effect-code-mode: listening at ${
        foreign("address of the server", `http://${host}:${port}${path}`, "output")
      }`
    )
  }))

/** Serves until the process is told to end. */
export const http = <E, R>(
  services: Layer.Layer<Delegate | Isolate | McpClients.Clients, E, R>,
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
    Layer.provide(services),
    Layer.launch
  )
}
