import * as Store from "effect-code-mode/Store"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { join } from "node:path"
import * as Process from "../cli/Process.ts"
import { contract } from "./Contract.ts"

contract({
  name: "in a file",
  layer: (bounds) =>
    Layer.unwrap(
      Effect.map(Process.folder, (folder) => Store.layerSqlite({ ...bounds, filename: join(folder, "store.db") }))
    )
})
