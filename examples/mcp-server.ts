import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer, Schema } from "effect"
import { Delegate } from "effect-code-mode"
import * as McpServer from "effect-code-mode/McpServer"
import * as V8 from "effect-code-mode/V8"
import * as HttpRouter from "effect/http/HttpRouter"
import { createServer } from "node:http"

const tools = Delegate.layerTools({
  add: Delegate.tool({
    description: "Adds two numbers",
    parameters: Schema.Struct({ a: Schema.Number, b: Schema.Number }),
    success: Schema.Number,
    handler: ({ a, b }) => Effect.succeed(a + b)
  })
})

const port = Number(process.argv[2] ?? 3000)

HttpRouter.serve(McpServer.layerHttp()).pipe(
  Layer.provide([tools, V8.layer(), NodeHttpServer.layer(createServer, { port, host: "127.0.0.1" })]),
  Layer.launch,
  NodeRuntime.runMain
)
