import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Deferred, Effect, Layer, Logger, Schema } from "effect"
import { Delegate, Protocol, Runtime } from "effect-code-mode"
import * as V8 from "effect-code-mode/V8"

const order = Schema.Struct({ id: Schema.String, total: Schema.Number })

const tools = Delegate.layerTools({
  late_orders: Delegate.tool({
    parameters: Schema.Struct({}),
    handler: () => Effect.succeed([{ id: "A-1", total: 20 }, { id: "A-2", total: 900 }])
  }),
  refund: Delegate.tool({ parameters: order, handler: () => Effect.succeed("refunded") }),
  send_letters: Delegate.tool({ parameters: Schema.Struct({}), handler: () => Effect.succeed("sent") })
})

/** A tool call that waits for the host. */
interface Parked {
  readonly call: Protocol.NestedToolCall
  readonly run: Effect.Effect<Schema.Json, Protocol.ToolError>
  readonly answer: Deferred.Deferred<Schema.Json, Protocol.ToolError>
}

// Call ids are unique within a cell. A host with several cells needs the cell's id in the key, too.
const parked = new Map<Protocol.ToolCallId, Parked>()

/** The same tools, but a call only waits here. The host runs it or refuses it at the next frontier. */
const parking = Layer.effect(
  Delegate.Delegate,
  Effect.map(Delegate.Delegate, (tools) => ({
    ...tools,
    invokeTool: (call) =>
      Effect.suspend(() => {
        const answer = Deferred.makeUnsafe<Schema.Json, Protocol.ToolError>()
        parked.set(call.toolCallId, { call, run: tools.invokeTool(call), answer })
        return Deferred.await(answer)
      })
  }))
).pipe(Layer.provide(tools))

const callsAt = ({ pendingToolCallIds }: Protocol.Frontier) => pendingToolCallIds.flatMap((id) => parked.get(id) ?? [])

/** What the person at the screen decides about a call. */
const decide = ({ input, toolName }: Protocol.NestedToolCall): "run" | "refuse" | "stop" =>
  toolName.name === "send_letters"
    ? "stop"
    : toolName.name === "refund" && Schema.is(order)(input) && input.total > 100
    ? "refuse"
    : "run"

const show = Effect.fn("show")(function*(event: Protocol.Frontier | Protocol.Outcome) {
  yield* Console.log(event._tag === "Frontier" ? `generation ${event.generation}` : event._tag)
  for (const item of event.items) {
    yield* Console.log(`  output: ${item.type === "input_text" ? item.text : item.type}`)
  }
  for (const { call } of event._tag === "Frontier" ? callsAt(event) : []) {
    yield* Console.log(`  ${call.toolCallId} waits: ${call.toolName.name} ${JSON.stringify(call.input)}`)
  }
})

/** One turn of the host: see what the cell waits for, answer it, let the cell go on. */
const turn = Effect.fn("turn")(function*(cell: Runtime.PausableCell) {
  const session = yield* Runtime.SessionRuntime
  const event = yield* session.awaitFrontier(cell)
  yield* show(event)
  if (event._tag !== "Frontier") {
    return "over"
  }
  const calls = callsAt(event)
  if (calls.some(({ call }) => decide(call) === "stop")) {
    yield* show(yield* session.terminate(cell))
    return "over"
  }
  for (const { answer, call, run } of calls) {
    yield* decide(call) === "run"
      ? Deferred.complete(answer, run)
      : Deferred.fail(answer, new Protocol.ToolError({ text: "the user said no" }))
  }
  yield* session.resume(cell, event.generation)
  return "goes on"
})

// What a model would write.
const source = `
  const orders = await tools.late_orders({})
  text(orders.length + " orders came late")
  const refunds = await Promise.allSettled(orders.map((order) => tools.refund(order)))
  refunds.forEach(({ value, reason }, i) => text(orders[i].id + ": " + (value ?? reason)))
  await tools.send_letters({})
  text("the letters are out")
`

const main = Effect.gen(function*() {
  const session = yield* Runtime.SessionRuntime
  const request: Protocol.CellRequest = { callId: "call-1", source, idempotencyKey: "call-1" }

  // The answer to the first request is lost, so it is sent again. It makes no second cell.
  yield* session.createPausable(request)
  const { id } = yield* session.createPausable(request)
  yield* Console.log("cells:", (yield* session.cells).length)

  // One handler shows the question. Another one, which knows only the id, takes the decision.
  yield* show(yield* session.awaitFrontier(yield* session.pausableCell(id)))
  const cell = yield* session.pausableCell(id)
  yield* turn(cell)

  // The decision comes a second time. The cell has gone on once.
  yield* Console.log(yield* session.resume(cell, Protocol.Generation.make(1)))

  yield* Effect.repeat(turn(cell), { until: (state) => state === "over" })
  yield* Console.log("ended:", yield* session.awaitSettled(id))
})

const layer = Runtime.layer().pipe(Layer.provide([parking, V8.layer()]))

main.pipe(
  Effect.provide(layer),
  Effect.provideService(Logger.LogToStderr, true),
  NodeRuntime.runMain
)
