import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Logger, Redacted, Schema } from "effect"
import { Approver, Delegate, Runtime } from "effect-code-mode"
import * as V8 from "effect-code-mode/V8"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"

// Tools of a toolkit: what is known of their effects is in their annotations.
const Shop = Toolkit.make(
  Tool.make("stock", {
    parameters: Schema.Struct({ item: Schema.String }),
    success: Schema.Number
  }).annotate(Tool.Readonly, true),
  Tool.make("order", {
    parameters: Schema.Struct({ item: Schema.String, count: Schema.Int }),
    success: Schema.String,
    needsApproval: ({ count }) => count > 10
  }),
  Tool.make("ask", { parameters: Schema.Struct({ question: Schema.String }), success: Schema.String })
    .annotate(Delegate.Callers, "model")
)
const shop = Delegate.layerToolkit(Shop).pipe(Layer.provide(Shop.toLayer({
  stock: ({ item }) => Effect.as(Console.log(`(the shop counts ${item}s)`), 12),
  order: ({ count, item }) => Effect.succeed(`ordered ${count} ${item}s`),
  ask: ({ question }) => Effect.succeed(`${question} Perhaps.`)
})))

// Tools as plain functions.
const token = Redacted.make("tok-4711")
const mail = Delegate.layerTools({
  settings: Delegate.tool({
    description: "The settings of the mail server",
    parameters: Schema.Struct({}),
    handler: () => Effect.succeed({ url: `https://robot:${Redacted.value(token)}@mail.example` })
  }),
  purge: Delegate.tool({
    description: "Deletes all mail",
    parameters: Schema.Struct({}),
    handler: () => Effect.succeed("gone")
  })
})

// One delegate of both: what is put around it last is asked first.
const delegate = Delegate.layerMerge(shop, mail.pipe(Delegate.layerRename(({ name }) => `mail_${name}`))).pipe(
  Delegate.mapLayer((self) => Delegate.withCache(self, { timeToLive: "1 minute" })),
  Delegate.mapLayer((self) => Delegate.withTimeout(self, "30 seconds")),
  Delegate.mapLayer((self) => Delegate.withRedaction(self, [token])),
  Delegate.mapLayer((self) =>
    Delegate.withPolicy(self, ({ tool }) => tool === "mail_purge" ? { deny: "mail is kept for seven years" } : "allow")
  ),
  Layer.provide(
    Approver.layerCallback(({ call }) =>
      Effect.as(Console.log("(a person is asked)", call.tool, call.input), Approver.denied("there is room for 10"))
    )
  )
)

const source = `
  const attempt = async (call) => text(await call.catch((why) => why))
  await Promise.all([attempt(tools.stock({ item: "apple" })), attempt(tools.stock({ item: "apple" }))])
  await attempt(tools.order({ item: "apple", count: 3 }))
  await attempt(tools.order({ item: "apple", count: 50 }))
  await attempt(tools.mail_settings({}))
  await attempt(tools.mail_purge({}))
  text(ALL_TOOLS.map(({ name }) => name))
`

const main = Effect.gen(function*() {
  const session = yield* Runtime.SessionRuntime
  const { cell, initial } = yield* session.execute({ callId: "call-1", source })
  const { items } = yield* initial
  yield* Console.log(items.map((item) => item.type === "input_text" ? item.text : item.type).join("\n"))
  const { calls } = yield* session.ledger(cell.id)
  yield* Console.log(calls.map(({ state, tool }) => `${tool}: ${state}`).join("\n"))
})

main.pipe(
  Effect.provide(Runtime.layer().pipe(Layer.provide([delegate, V8.layer()]))),
  Effect.provideService(Logger.LogToStderr, true),
  NodeRuntime.runMain
)
