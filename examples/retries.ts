import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Fiber, Layer, Logger } from "effect"
import { Delegate, Protocol, Runtime } from "effect-code-mode"
import * as V8 from "effect-code-mode/V8"

const show = ({ _tag, items }: Protocol.CellEvent) =>
  Console.log(_tag, items.map((item) => item.type === "input_text" ? item.text : item.type))

const main = Effect.gen(function*() {
  const session = yield* Runtime.SessionRuntime

  // A request that is sent again gets the same cell, and the same first event.
  const request: Protocol.CellRequest = {
    callId: "call-1",
    source: `text("one"); yield_control(); text("two")`,
    idempotencyKey: "call-1"
  }
  const { cell, initial } = yield* session.execute(request)
  const retry = yield* session.execute(request)
  yield* Console.log("the same cell:", cell.id === retry.cell.id)
  yield* show(yield* initial)
  yield* show(yield* retry.initial)

  // An observation with a key goes on without its caller. A retry with the key gets the event.
  const observe = session.observe(cell, { idempotencyKey: "call-1, second event" })
  yield* Fiber.interrupt(yield* Effect.forkChild(observe, { startImmediately: true }))
  yield* show(yield* observe)
  yield* show(yield* observe)

  // The cell has ended, and its last event was read. How it ended can still be asked.
  for (const id of [cell.id, Protocol.CellId.make("another-id")]) {
    yield* session.awaitSettled(id).pipe(
      Effect.flatMap((outcome) => Console.log("ended:", outcome)),
      Effect.catchTag("MissingCell", ({ finished }) => Console.log("missing, finished:", finished))
    )
  }
  yield* session.observe(cell).pipe(
    Effect.flatMap(show),
    Effect.catchTag("MissingCell", ({ finished }) => Console.log("missing, finished:", finished))
  )

  // This one waits for a promise that nothing can settle.
  const forever = yield* session.execute({ callId: "call-2", source: "await new Promise(() => {})" })
  const event = yield* forever.initial
  if (event._tag === "Yielded" && event.stalled) {
    yield* Console.log("stalled")
    yield* show(yield* session.terminate(forever.cell))
  }
})

const layer = Runtime.layer().pipe(Layer.provide([Delegate.layerNoop, V8.layer()]))

main.pipe(
  Effect.provide(layer),
  Effect.provideService(Logger.LogToStderr, true),
  NodeRuntime.runMain
)
