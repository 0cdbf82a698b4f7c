/** The way out to a client, beside what the tests of connections see of it. */
import { assert, describe, it } from "@effect/vitest"
import { Outgoing } from "effect-code-mode/host/Outgoing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { PassThrough } from "node:stream"

describe("whoever waits for room", () => {
  it.live("is not left waiting when nobody reads any more", () =>
    Effect.gen(function*() {
      const stream = new PassThrough()
      const outgoing = new Outgoing(stream)
      outgoing.post({ type: "cell/closed", sessionId: "s", cellId: "x".repeat(2 ** 21) })
      const waiting = yield* Effect.forkChild(outgoing.room, { startImmediately: true })
      yield* Effect.yieldNow
      assert.isUndefined(waiting.pollUnsafe())
      stream.destroy()
      yield* Effect.timeout(Fiber.join(waiting), "5 seconds")
    }))
})
