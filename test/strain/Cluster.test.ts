import * as Cluster from "effect-code-mode/Cluster"
import * as Store from "effect-code-mode/Store"
import * as V8 from "effect-code-mode/V8"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Port from "../cluster/Port.ts"
import { contract } from "../contract/Contract.ts"
import * as Database from "../postgres/Database.ts"

// A host and a database for each test take too long for every run.
if (Database.missing === undefined) {
  contract({
    name: "in a cluster",
    extended: true,
    layer: (delegate) =>
      Layer.unwrap(
        Effect.map(Effect.all([Port.free, Database.fresh]), ([port, database]) =>
          Cluster.layerClient({ session: "contract", patience: "10 seconds" }).pipe(
            Layer.provide(Cluster.layerSessions({ address: { host: "127.0.0.1", port } })),
            Layer.provide([delegate, V8.layer({ warmLanes: 0, warmIsolates: 1 }), Layer.fresh(Store.layerPostgres())]),
            Layer.provide(Layer.fresh(database))
          ))
      )
  })
}
