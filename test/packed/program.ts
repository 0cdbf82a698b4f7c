import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Schema } from "effect"
import { Delegate, Runtime } from "effect-code-mode"
import * as V8 from "effect-code-mode/V8"

const tools = Delegate.layerTools({
  add: Delegate.tool({
    parameters: Schema.Struct({ a: Schema.Number, b: Schema.Number }),
    handler: ({ a, b }) => Effect.succeed(a + b)
  })
})

const program = Effect.gen(function*() {
  const session = yield* Runtime.SessionRuntime
  const { initial } = yield* session.execute({ callId: "call-1", source: "text(await tools.add({ a: 1, b: 2 }))" })
  const { _tag, items } = yield* initial
  yield* Console.log(_tag, JSON.stringify(items))
})

program.pipe(
  Effect.provide(Runtime.layer({ limits: { maxLiveCells: 3 } }).pipe(Layer.provide([tools, V8.layer()]))),
  NodeRuntime.runMain
)
