/**
 * What cancellation costs: the time from `terminate` to its answer, with callbacks that end when they are interrupted
 * and with callbacks that do not, while one cell burns CPU and another has far more calls waiting than may run.
 *
 * `npm run bench:cancel`. Times are in milliseconds; read them as ratios to the grace.
 */
import * as Delegate from "effect-code-mode/Delegate"
import * as Protocol from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as V8 from "effect-code-mode/V8"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { median, quantile } from "./Quantile.ts"

const rounds = 15
const limits = Protocol.Limits.make({ maxToolCallsInFlight: 4096 })
const grace = Duration.toMillis(limits.cancellationGrace)

/** Opens when the callbacks of the round have started. */
let running = 0
let wanted = 0
const started = Latch.makeUnsafe()

const hold = (effect: Effect.Effect<null>) =>
  Effect.suspend(() => {
    if (++running === wanted) {
      started.openUnsafe()
    }
    return effect
  })

const tools = Delegate.layer({
  tools: ["cooperative", "deaf", "flood"].map((name) => ({
    name,
    toolName: { name, namespace: null },
    description: "",
    kind: "function"
  })),
  invokeTool: ({ toolName }) =>
    toolName.name === "deaf"
      ? Effect.uninterruptible(hold(Effect.never))
      : toolName.name === "cooperative"
      ? hold(Effect.never)
      : Effect.never
})

const measure = Effect.fnUntraced(function*(manner: "cooperative" | "deaf", callbacks: number) {
  const session = yield* Runtime.SessionRuntime
  const times: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    running = 0
    wanted = callbacks
    started.closeUnsafe()
    const cell = yield* session.create({
      callId: "bench",
      source: `for (let i = 0; i < ${callbacks}; i++) tools.${manner}(); await new Promise(() => {})`
    })
    if (callbacks > 0) {
      yield* started.await
    }
    const start = performance.now()
    yield* session.terminate(cell)
    times.push(performance.now() - start)
  }
  const middle = median(times)
  yield* Effect.log(
    [
      String(callbacks).padStart(6),
      manner.padEnd(12),
      middle.toFixed(2).padStart(9),
      quantile(times, 0.9).toFixed(2).padStart(9),
      (middle / grace).toFixed(3).padStart(9)
    ].join("  ")
  )
})

const main = Effect.gen(function*() {
  const session = yield* Runtime.SessionRuntime
  yield* session.create({ callId: "busy", source: "while (true) {}" })
  // Calls that wait for their turn hold up those of their own session, so these are in another.
  const flooded = yield* Runtime.make({ limits })
  yield* flooded.create({
    callId: "flood",
    source: "for (let i = 0; i < 20000; i++) tools.flood(); await new Promise(() => {})"
  })
  yield* Effect.log(`grace ${grace} ms, ${rounds} rounds; a busy cell and a cell with 20,000 waiting calls beside`)
  yield* Effect.log(" calls  manner          median       p90     /grace")
  for (const manner of ["cooperative", "deaf"] as const) {
    for (const callbacks of [0, 100, 1000]) {
      yield* measure(manner, callbacks)
    }
  }
})

const plain = Logger.layer([Logger.make(({ logLevel, message }) => {
  if (logLevel === "Info") {
    // oxlint-disable-next-line no-console -- a benchmark prints
    console.log(String(message))
  }
})])

await main.pipe(
  Effect.scoped,
  Effect.provide(Runtime.layer({ limits }).pipe(Layer.provideMerge(Layer.mergeAll(tools, V8.layer(), plain)))),
  Effect.runPromise
)
