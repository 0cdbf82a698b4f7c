// A service with a session for each conversation: made with its first cell, ended when it has been idle for a while.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Context, Duration, Effect, Layer, Logger, RcMap, Schema } from "effect"
import { Delegate, type Protocol, Runtime } from "effect-code-mode"
import * as V8 from "effect-code-mode/V8"

const tools = Delegate.layerTools({
  weather: Delegate.tool({
    description: "The weather of a city",
    parameters: Schema.Struct({ city: Schema.String }),
    handler: ({ city }) => Effect.succeed({ city, celsius: city.length })
  })
})

class Conversations extends Context.Service<Conversations, {
  readonly run: (conversation: string, source: string) => Effect.Effect<string, Runtime.CreateError>
}>()("examples/Conversations") {
  static readonly layer = Layer.effect(
    Conversations,
    Effect.gen(function*() {
      const sessions = yield* RcMap.make({
        lookup: (conversation: string) =>
          Runtime.make({ sessionId: conversation, limits: { maxLiveCells: 4, maxWallTime: Duration.minutes(1) } }),
        idleTimeToLive: "10 minutes"
      })
      const toText = ({ items }: Protocol.CellEvent) =>
        items.map((item) => item.type === "input_text" ? item.text : `[${item.type}]`).join("\n")
      return {
        run: Effect.fn("Conversations.run")(function*(conversation, source) {
          const session = yield* RcMap.get(sessions, conversation)
          const { initial } = yield* session.execute({ callId: "call", source })
          // It has just been made, and has no other observer.
          return toText(yield* Effect.orDie(initial))
        }, Effect.scoped)
      }
    })
  ).pipe(Layer.provide([tools, V8.layer()]))
}

const program = Effect.gen(function*() {
  const { run } = yield* Conversations
  yield* run("ada", "store('home', 'Lima')")
  yield* Console.log(yield* run("ada", "text(await tools.weather({ city: load('home') }))"))
  yield* Console.log(yield* run("ben", "text(load('home') ?? 'nothing is stored here')"))
})

program.pipe(
  Effect.provide(Conversations.layer),
  Effect.provideService(Logger.LogToStderr, true),
  NodeRuntime.runMain
)
