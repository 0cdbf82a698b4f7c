// Runs the agent with a shop in memory, and with a model that says what it is told to: `node examples/agent/main.ts`.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Logger, Stream, Tracer } from "effect"
import * as Approver from "effect-code-mode/Approver"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Response from "effect/ai/Response"
import { agent, layer, NoSuchOrder, Shop } from "./agent.ts"

const shop = Layer.sync(Shop, () => {
  const orders = new Map(
    [
      ["A-1", { id: "A-1", customer: "ada", cents: 2_000, status: "late" }],
      ["A-2", { id: "A-2", customer: "bob", cents: 90_000, status: "late" }],
      ["A-3", { id: "A-3", customer: "eve", cents: 700, status: "delivered" }]
    ] as const
  )
  return Shop.of({
    orders: Effect.sync(() => Array.from(orders.values())),
    refund: (id) => {
      const order = orders.get(id as "A-1")
      return order === undefined
        ? Effect.fail(new NoSuchOrder({ id }))
        : Effect.as(Console.log(`refunded ${id}: ${order.cents} cents`), { ...order, status: "refunded" })
    },
    mail: (to, text) => Console.log(`mail to ${to}: ${text}`)
  })
})

// Who agrees: a rule here, a person where there is one.
const approver = Approver.layerCallback(({ call }) =>
  Effect.succeed(
    JSON.stringify(call.input).includes("A-2") ? Approver.denied("more than 100 euros: ask Carol") : Approver.approved()
  )
)

// Every cell, and every tool call of it, is a span. `OtlpTracer.layer` in the place of this sends them to a collector.
const tracer = Layer.effect(
  Tracer.Tracer,
  Effect.gen(function*() {
    const spans: Array<Tracer.NativeSpan> = []
    yield* Effect.addFinalizer(() =>
      Console.log(`spans: ${Array.from(new Set(spans.map(({ name }) => name))).join(", ")}`)
    )
    return Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
  })
)

// The model. `OpenAiLanguageModel.layer({ model })` or another provider's goes into its place.
const turns = [
  `const late = await tools.find_orders({ status: "late" })
   const refunds = await Promise.allSettled(late.map(({ id }) => tools.refund({ id, reason: "it is late" })))
   await Promise.all(late.map(({ customer }, i) => refunds[i].status === "fulfilled"
     ? tools.send_mail({ customer, text: "Sorry, your money is on its way" })
     : undefined))
   text(refunds.map(({ reason }, i) => late[i].id + ": " + (reason?.message ?? "refunded")).join("\\n"))`,
  "A-1 is refunded and its customer knows. A-2 needs Carol."
]
const model = Layer.effect(
  LanguageModel.LanguageModel,
  LanguageModel.make({
    generateText: ({ prompt }) => {
      const turn = prompt.content.filter(({ role }) => role === "assistant").length
      const part: Response.PartEncoded = turn === 0
        ? { type: "tool-call", id: "call-1", name: "exec", params: { source: turns[turn] } }
        : { type: "text", text: turns[turn] ?? "" }
      return Effect.as(Console.log(`turn ${turn + 1}`), [part])
    },
    streamText: () => Stream.die("the agent does not stream")
  })
)

agent("Refund what is late, and tell the customers.").pipe(
  Effect.tap((answer) => Console.log(answer)),
  Effect.provide(Layer.mergeAll(layer.pipe(Layer.provide([shop, approver])), model).pipe(Layer.provideMerge(tracer))),
  Effect.provideService(Logger.LogToStderr, true),
  NodeRuntime.runMain
)
