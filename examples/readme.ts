import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Logger, Schema } from "effect"
import { Delegate, Protocol, Runtime } from "effect-code-mode"
import * as V8 from "effect-code-mode/V8"

const stock = new Map([["apple", 12], ["pear", 3]])

// What a cell may call. Every call runs in a fiber of its own; its failure rejects the script's promise.
const tools = Delegate.layerTools({
  count: Delegate.tool({
    description: "How many of an item are in stock",
    parameters: Schema.Struct({ item: Schema.String }),
    handler: ({ item }) => {
      const count = stock.get(item)
      return count === undefined
        ? Effect.fail(new Protocol.ToolError({ text: `no shelf for ${item}` }))
        : Effect.succeed(count)
    }
  }),
  audit: Delegate.tool({
    description: "Never answers, and cannot be interrupted",
    parameters: Schema.Struct({}),
    handler: () => Effect.uninterruptible(Effect.never)
  })
})

// What a model would write.
const countEverything = `
  const items = ["apple", "pear", "fig"]
  const counts = await Promise.allSettled(items.map((item) => tools.count({ item })))
  counts.forEach(({ value, reason }, i) => text(items[i] + ": " + (value ?? reason)))
  store("counted", items.length)
`
const auditEverything = `
  text("auditing " + load("counted") + " items")
  await tools.audit({})
`

const show = ({ _tag, items }: Protocol.CellEvent) =>
  Console.log(_tag, items.map((item) => item.type === "input_text" ? item.text : item.type))

const main = Effect.gen(function*() {
  const session = yield* Runtime.SessionRuntime

  const counting = yield* session.execute({ callId: "call-1", source: countEverything })
  yield* show(yield* counting.initial)

  const auditing = yield* session.execute({ callId: "call-2", source: auditEverything }, { yieldAfter: "1 second" })
  yield* show(yield* auditing.initial)
  yield* show(yield* session.terminate(auditing.cell))
})

const layer = Runtime.layer().pipe(Layer.provide([tools, V8.layer()]))

main.pipe(
  Effect.provide(layer),
  Effect.provideService(Logger.LogToStderr, true),
  NodeRuntime.runMain
)
