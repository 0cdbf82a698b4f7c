/**
 * A client: node client.ts SESSION TASK, with DATABASE_URL in its environment. Run it again, and it has the same cell.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Config, Console, Effect, Layer } from "effect"
import { Runtime } from "effect-code-mode"
import * as Cluster from "effect-code-mode/Cluster"

const [, , session = "user-42", task = "task-1"] = process.argv

const source = `
  for (let i = 1; i <= 10; i++) {
    text(i + ": " + await tools.wait({ millis: 1000 }))
  }
`

const main = Effect.gen(function*() {
  const runtime = yield* Runtime.SessionRuntime
  const { initial } = yield* runtime.execute({ callId: "call-1", source, idempotencyKey: task })
  const { _tag, items } = yield* initial
  yield* Console.log(_tag, items.map((item) => item.type === "input_text" ? item.text : item.type))
})

const layer = Cluster.layerClient({ session }).pipe(
  Layer.provide(Cluster.layerConnection()),
  Layer.provide(PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") }))
)

NodeRuntime.runMain(Effect.provide(main, layer))
