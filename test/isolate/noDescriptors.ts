/** A program that has all of its file descriptors taken, asks for cells, and gets one when they are free again. */
import { Isolate } from "effect-code-mode/Isolate"
import * as V8 from "effect-code-mode/V8"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { closeSync, openSync } from "node:fs"
import { run } from "./harness.ts"

const taken: Array<number> = []

const take = () => {
  try {
    for (;;) {
      taken.push(openSync("/dev/null", "r"))
    }
  } catch {
    // There are no more.
  }
}

const give = (count: number) => taken.splice(-count).forEach((descriptor) => closeSync(descriptor))

if (process.argv[2] === "before") {
  take()
}

await Effect.gen(function*() {
  const session = yield* (yield* Isolate).lease
  take()
  // From none at all up to enough to look around, and too few for a process with its pipes.
  for (let free = 0; free < 8; free++) {
    const refused = yield* Effect.flip(run(session, "text(1)"))
    console.log(refused.message)
    give(1)
  }
  give(taken.length)
  console.log((yield* run(session, "text(1)")).texts.join())
}).pipe(Effect.scoped, Effect.provide([V8.layer({ warmLanes: 0 }), Logger.layer([])]), Effect.runPromise)
