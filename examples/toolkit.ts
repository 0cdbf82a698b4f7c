import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Logger, Schema, Stream } from "effect"
import { Delegate, Runtime } from "effect-code-mode"
import * as CodeMode from "effect-code-mode/CodeMode"
import * as V8 from "effect-code-mode/V8"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"

// Any toolkit of yours.
const MyToolkit = Toolkit.make(
  Tool.make("double", { parameters: Schema.Struct({ value: Schema.Int }), success: Schema.Int })
)
const handlers = MyToolkit.toLayer({ double: ({ value }) => Effect.succeed(2 * value) })

// A model with a session over it.
const toolkit = CodeMode.toolkit
const layer = CodeMode.layer().pipe(
  Layer.provide(Runtime.layer()),
  Layer.provide([Delegate.layerToolkit(MyToolkit), V8.layer()])
)
const program = LanguageModel.generateText({ prompt: "Double 1, 2 and 3.", toolkit })

// One that says what it is told to. A provider's model goes into its place.
const model = Layer.effect(
  LanguageModel.LanguageModel,
  LanguageModel.make({
    generateText: () =>
      Effect.succeed([{
        type: "tool-call",
        id: "call-1",
        name: "exec",
        params: { source: "text(await Promise.all([1, 2, 3].map((value) => tools.double({ value }))))" }
      }]),
    streamText: () => Stream.die("not streamed here")
  })
)

program.pipe(
  Effect.tap(({ toolResults: [first] }) =>
    first?.name === "exec" && !first.isFailure ? Console.log(first.result.items.slice(1)) : Effect.void
  ),
  Effect.provide(Layer.mergeAll(layer.pipe(Layer.provide(handlers)), model)),
  Effect.provideService(Logger.LogToStderr, true),
  NodeRuntime.runMain
)
