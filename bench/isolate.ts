/**
 * What the V8 engine costs on its own: `npm run build && node bench/isolate.ts [rounds]`. Times are in milliseconds, median and p95;
 * cells start after a pause, as a model's do.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { Isolate, type IsolateEvent, type IsolateHandle, type Lease } from "../dist/Isolate.js"
import type { ToolDefinition } from "../dist/Protocol.js"
import * as V8 from "../dist/V8.js"
import { quantile } from "./Quantile.ts"

const rounds = Number(process.argv[2] ?? 100)

const echo: ToolDefinition = {
  name: "echo",
  toolName: { name: "echo", namespace: null },
  description: "",
  kind: "function"
}

const answer = (handle: IsolateHandle, event: IsolateEvent) => {
  if (event._tag === "ToolCalls") {
    event.calls.forEach(({ id, input }) => handle.resolve(id, input ?? "null"))
  }
}

const run = Effect.fnUntraced(function*(lease: Lease, source: string) {
  const handle = yield* lease.start({
    source,
    tools: [echo],
    stored: new Map(),
    pausable: false,
    maxHeapSizeBytes: 0,
    maxCpuTime: Duration.infinity,
    maxPendingToolCalls: 100_000,
    maxPendingInputBytes: 2 ** 26,
    maxOutputBytes: 2 ** 26,
    maxStoredBytes: 2 ** 26,
    contentTakesResults: true
  })
  while (true) {
    const event = yield* Queue.take(handle.events)
    if (event._tag === "Finished") {
      return event
    }
    answer(handle, event)
  }
})

const measure = Effect.fnUntraced(function*(name: string, count: number, work: Effect.Effect<unknown, unknown>) {
  const times: Array<number> = []
  for (let i = 0; i < count; i++) {
    yield* Effect.sleep(8)
    const start = performance.now()
    yield* work
    times.push(performance.now() - start)
  }
  const at = (q: number) => quantile(times, q).toFixed(2)
  yield* Effect.log(`${name}: median ${at(0.5)}, p95 ${at(0.95)}`)
})

const main = Effect.gen(function*() {
  const engine = yield* Isolate
  yield* Effect.sleep(500)
  const lease = yield* engine.lease
  yield* measure("cell", rounds, run(lease, "text(1)"))
  yield* measure("cell with one tool call", rounds, run(lease, "text(await tools.echo({ a: 1 }))"))
  yield* measure(
    "cell with 1,000 tool calls in sequence",
    10,
    run(lease, "for (let i = 0; i < 1000; i++) await tools.echo(i)")
  )
  yield* measure(
    "cell with 1,000 tool calls at once",
    10,
    run(lease, "await Promise.all(Array.from({ length: 1000 }, (_, i) => tools.echo(i)))")
  )
  yield* measure("cell with 10,000 outputs", 10, run(lease, "for (let i = 0; i < 10000; i++) text(i)"))
  yield* measure("cell with 10 MB of output", 5, run(lease, `text("x".repeat(1e7))`))
})

await main.pipe(Effect.scoped, Effect.provide(V8.layer()), Effect.runPromise)
