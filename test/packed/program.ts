import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, Layer, Logger, Schema } from "effect"
import { Delegate, Runtime } from "effect-code-mode"
import * as Remote from "effect-code-mode/Remote"
import * as V8 from "effect-code-mode/V8"

const tools = Delegate.layerTools({
  add: Delegate.tool({
    parameters: Schema.Struct({ a: Schema.Number, b: Schema.Number }),
    handler: ({ a, b }) => Effect.succeed(a + b)
  })
})

const addition = Effect.gen(function*() {
  const session = yield* Runtime.SessionRuntime
  const { initial } = yield* session.execute({ callId: "call-1", source: "text(await tools.add({ a: 1, b: 2 }))" })
  const { _tag, items } = yield* initial
  return `${_tag} ${JSON.stringify(items)}`
})

const here = Runtime.layer({ limits: { maxLiveCells: 3 } }).pipe(Layer.provide([tools, V8.layer()]))

const atHost = Remote.layer().pipe(
  Layer.provide([tools, Remote.layerProcess().pipe(Layer.provide(NodeServices.layer))])
)

const program = Effect.gen(function*() {
  yield* Console.log("here", yield* Effect.provide(addition, here))
  yield* Console.log("at a host", yield* Effect.provide(addition, atHost))
})

program.pipe(Effect.provideService(Logger.LogToStderr, true), NodeRuntime.runMain)
