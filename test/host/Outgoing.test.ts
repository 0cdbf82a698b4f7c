/** The way out to a client, beside what the tests of connections see of it. */
import { assert, describe, it } from "@effect/vitest"
import { Outgoing } from "effect-code-mode/wire/Outgoing"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"

const background = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

describe("whoever waits for room", () => {
  it.effect("is not left waiting when nobody reads any more", () =>
    Effect.gen(function*() {
      const outgoing = new Outgoing(2 ** 26)
      outgoing.post(Buffer.alloc(2 ** 21))
      const waiting = yield* background(outgoing.room)
      yield* Effect.yieldNow
      assert.isUndefined(waiting.pollUnsafe())
      outgoing.close()
      yield* Fiber.join(waiting)
    }))
})

describe("frames", () => {
  it.effect("that are posted together go out together, up to a bound, and nothing else is held meanwhile", () =>
    Effect.gen(function*() {
      const outgoing = new Outgoing(2 ** 26)
      const written: Array<number> = []
      const gate = yield* Deferred.make<void>()
      yield* background(
        Stream.run(
          outgoing.stream,
          Sink.forEach((bytes: Uint8Array) =>
            Effect.andThen(Effect.sync(() => written.push(bytes.length)), Deferred.await(gate))
          )
        )
      )
      const letters = [30_000, 30_000, 30_000, 200_000, 1].map((length) => outgoing.post(Buffer.alloc(length)))
      yield* Effect.yieldNow
      assert.deepStrictEqual(written, [60_000])
      // What is not on its way can be taken back.
      assert.isFalse(outgoing.withdraw(letters[0]!))
      assert.isTrue(outgoing.withdraw(letters[4]!))
      const flushed = yield* background(outgoing.flush)
      yield* Effect.yieldNow
      assert.isUndefined(flushed.pollUnsafe())
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(flushed)
      assert.deepStrictEqual(written, [60_000, 30_000, 200_000])
    }))
})
