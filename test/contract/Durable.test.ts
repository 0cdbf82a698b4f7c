import * as Runtime from "effect-code-mode/Runtime"
import * as Store from "effect-code-mode/Store"
import * as V8 from "effect-code-mode/V8"
import * as Layer from "effect/Layer"
import { contract } from "./Contract.ts"

contract({
  name: "durable, in this process",
  extended: true,
  layer: (delegate) =>
    Runtime.layerDurable({ session: "contract" }).pipe(
      Layer.provide([delegate, V8.layer({ warmLanes: 0, warmIsolates: 1 }), Layer.fresh(Store.layerMemory())])
    )
})
