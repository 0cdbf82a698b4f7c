import { Isolate } from "/work/main/src/Isolate.ts"
import * as V8 from "/work/main/src/isolate/V8.ts"
import { Effect, Queue } from "effect"
const tools = ["echo", "fail"].map((n) => ({
  name: n,
  toolName: { name: n, namespace: null },
  description: "d " + n,
  kind: "function" as const
}))
const main = Effect.gen(function*() {
  const iso = yield* Isolate
  const lease = yield* iso.lease
  for (const source of process.argv.slice(2)) {
    const h = yield* lease.start({
      source,
      tools,
      stored: new Map(),
      pausable: false,
      maxHeapSizeBytes: 0,
      maxPendingToolCalls: 100
    })
    while (true) {
      const e = yield* Queue.take(h.events).pipe(Effect.catch(() => Effect.succeed(undefined)))
      console.log(JSON.stringify(e))
      if (!e || e._tag === "Finished") break
      if (e._tag === "ToolCalls") {
        for (const c of e.calls) {
          c.tool === 0
            ? h.resolve(c.id, c.input ?? "null")
            : h.reject(c.id, "boom")
        }
      }
    }
  }
}).pipe(Effect.scoped, Effect.provide(V8.layer()))
await Effect.runPromise(main as any)
console.log("done")
