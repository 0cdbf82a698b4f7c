// An agent in a hundred lines: a model, three tools that need a service, approvals, and tracing. The model is not in it:
// `main.ts` gives it one that says what it is told to, and any other is one layer in its place.
import { Context, Duration, Effect, Layer, Schema } from "effect"
import { Delegate, Runtime } from "effect-code-mode"
import * as CodeMode from "effect-code-mode/CodeMode"
import * as V8 from "effect-code-mode/V8"
import * as Chat from "effect/ai/Chat"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"

// What the tools work on. --------------------------------------------------------------------------------------------

const Order = Schema.Struct({
  id: Schema.String,
  customer: Schema.String,
  cents: Schema.Int,
  status: Schema.Literals(["delivered", "late", "refunded"])
})
type Order = typeof Order.Type

export class Shop extends Context.Service<Shop, {
  readonly orders: Effect.Effect<ReadonlyArray<Order>>
  readonly refund: (id: string) => Effect.Effect<Order, NoSuchOrder>
  readonly mail: (to: string, text: string) => Effect.Effect<void>
}>()("examples/agent/Shop") {}

export class NoSuchOrder extends Schema.TaggedError<NoSuchOrder>()("NoSuchOrder", { id: Schema.String }) {
  override get message() {
    return `there is no order ${this.id}`
  }
}

// The tools. A cell calls them as often as it likes; the model sees only what the cell puts out. -----------------------

export const Tools = Toolkit.make(
  Tool.make("find_orders", {
    description: "Orders, those with a status or all of them",
    parameters: Schema.Struct({ status: Schema.optionalKey(Order.fields.status) }),
    success: Schema.Array(Order)
  }).annotate(Tool.Readonly, true),
  Tool.make("refund", {
    description: "Pays back an order. A person agrees first",
    parameters: Schema.Struct({ id: Schema.String, reason: Schema.String }),
    success: Order,
    failure: NoSuchOrder,
    dependencies: [Delegate.CurrentCall],
    needsApproval: true
  }),
  Tool.make("send_mail", {
    description: "Sends a mail to a customer",
    parameters: Schema.Struct({ customer: Schema.String, text: Schema.String })
  })
)

const handlers = Tools.toLayer(Effect.gen(function*() {
  const shop = yield* Shop
  return Tools.of({
    find_orders: Effect.fn("find_orders")(function*({ status }) {
      const orders = yield* shop.orders
      return orders.filter((order) => status === undefined || order.status === status)
    }),
    refund: Effect.fn("refund")(function*({ id }) {
      const { idempotencyKey } = yield* Delegate.CurrentCall
      yield* Effect.annotateCurrentSpan({ id, idempotencyKey })
      return yield* shop.refund(id)
    }),
    send_mail: Effect.fn("send_mail")(({ customer, text }) => shop.mail(customer, text))
  })
}))

// The session, and the model's two tools over it. ------------------------------------------------------------------------

const toolkit = CodeMode.toolkit
export const layer = CodeMode.layer({ yieldTime: "30 seconds" }).pipe(
  Layer.provide(Runtime.layer({ limits: { maxWallTime: Duration.minutes(5) } })),
  Layer.provide([Delegate.layerToolkit(Tools), V8.layer()]),
  Layer.provide(handlers)
)

// The agent: the model writes cells until it has an answer. ---------------------------------------------------------------

export class TooManyTurns extends Schema.TaggedError<TooManyTurns>()("TooManyTurns", { turns: Schema.Int }) {}

const maxTurns = 20

export const agent = Effect.fn("agent")(function*(task: string) {
  const chat = yield* Chat.fromPrompt([
    { role: "system", content: "You look after the orders of a shop. Do the task with cells, then say what was done." },
    { role: "user", content: task }
  ])
  for (let turn = 1; turn <= maxTurns; turn++) {
    const response = yield* chat.generateText({ prompt: [], toolkit })
    if (response.toolCalls.length === 0) {
      return response.text
    }
  }
  return yield* new TooManyTurns({ turns: maxTurns })
})
