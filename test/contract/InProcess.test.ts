import * as Runtime from "effect-code-mode/Runtime"
import * as V8 from "effect-code-mode/V8"
import * as Layer from "effect/Layer"
import { contract } from "./Contract.ts"

contract({
  name: "in this process",
  extended: true,
  layer: (delegate) => Runtime.layer().pipe(Layer.provide([delegate, V8.layer({ warmLanes: 0, warmIsolates: 1 })]))
})
