/** A program with a busy cell, in a process of its own and as it was built: `startBusyHost` runs it. */
import { Isolate } from "effect-code-mode/Isolate"
import * as V8 from "effect-code-mode/V8"
import * as Effect from "effect/Effect"
import { hearUntil, program } from "./harness.ts"

await Effect.gen(function*() {
  const session = yield* (yield* Isolate).lease
  yield* hearUntil(yield* session.start(program("for (;;);")), (event) => event._tag === "Started")
  console.log("started")
  return yield* Effect.never
}).pipe(Effect.scoped, Effect.provide(V8.layer()), Effect.runPromise)
