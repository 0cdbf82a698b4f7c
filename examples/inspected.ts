// A session that can be looked at, and tools that ask at its page before they do something.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Redacted, Schema } from "effect"
import { Delegate, Runtime } from "effect-code-mode"
import * as Inspector from "effect-code-mode/Inspector"
import * as V8 from "effect-code-mode/V8"

const tools = Delegate.layerTools({
  remove: Delegate.tool({
    description: "Removes a file",
    parameters: Schema.Struct({ path: Schema.String }),
    annotations: { destructive: true, needsApproval: true },
    handler: ({ path }) => Effect.succeed(`${path} is gone`)
  })
}).pipe(
  Delegate.mapLayer((delegate) => Delegate.withApproval(delegate)),
  Layer.provide(Inspector.layerApprover)
)

const inspector = Inspector.layer({
  port: 7600,
  title: "clean-up",
  onListening: (address) => Console.error(`inspector: ${Redacted.value(address)}`)
})

const layer = Runtime.layer().pipe(
  Layer.provide([tools, V8.layer()]),
  Layer.provide(inspector)
)

const main = Effect.gen(function*() {
  const session = yield* Runtime.SessionRuntime
  const cell = yield* session.create({
    callId: "call-1",
    source: "text(await tools.remove({ path: \"notes.txt\" }))"
  })
  yield* Console.log(yield* session.observe(cell))
})

NodeRuntime.runMain(Effect.provide(main, layer))
