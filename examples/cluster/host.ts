/**
 * One of many hosts: node host.ts, with DATABASE_URL, HOST (where others find it), PORT and LISTEN in its environment.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Config, Effect, Layer, Schema } from "effect"
import { Delegate, Store } from "effect-code-mode"
import * as Cluster from "effect-code-mode/Cluster"
import * as V8 from "effect-code-mode/V8"

// Each host has the same tools. `idempotent` ones are called again where their host was killed meanwhile.
const tools = Delegate.layerTools({
  wait: Delegate.tool({
    description: "Answers after some milliseconds",
    parameters: Schema.Struct({ millis: Schema.Int }),
    annotations: { idempotent: true },
    handler: ({ millis }) => Effect.as(Effect.sleep(millis), `waited ${millis} ms`)
  })
})

const host = Effect.gen(function*() {
  const name = yield* Config.String("HOST")
  const port = yield* Config.Port("PORT")
  const listen = yield* Config.String("LISTEN").pipe(Config.withDefault(name))
  return Cluster.layerSessions({ address: { host: name, port }, listen: { host: listen, port } })
}).pipe(
  Layer.unwrap,
  Layer.provide([tools, V8.layer(), Store.layerPostgres()]),
  Layer.provide(PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") }))
)

NodeRuntime.runMain(Layer.launch(host))
