import { assert, describe, it } from "@effect/vitest"
import { Feed } from "effect-code-mode/host/grpc/Feed"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"

describe("a feed", () => {
  it.effect("gives what was put in, and then ends", () =>
    Effect.gen(function*() {
      const feed = new Feed<number>()
      feed.offer(1)
      feed.offer(2)()
      const reading = yield* Effect.forkChild(Stream.runCollect(feed.stream), { startImmediately: true })
      feed.offer(3)
      feed.end()
      feed.offer(4)
      assert.deepStrictEqual(yield* Fiber.join(reading), [1, 3])
    }))

  it.effect("knows what was sent only when more is asked for", () =>
    Effect.gen(function*() {
      const feed = new Feed<number>()
      const sent: Array<number> = []
      for (const value of [1, 2]) feed.offer(value, () => sent.push(value))
      const seen: Array<ReadonlyArray<number>> = []
      feed.end()
      yield* Stream.runForEach(feed.stream, () => Effect.sync(() => seen.push([...sent])))
      assert.deepStrictEqual(seen, [[], []])
      assert.deepStrictEqual(sent, [1, 2])
    }))

  it.effect("ends where nobody reads", () =>
    Effect.gen(function*() {
      const feed = new Feed<number>()
      for (let value = 0; value < 70_000; value++) feed.offer(value)
      const error = yield* Effect.flip(Stream.runDrain(feed.stream))
      assert.deepInclude(error, { code: "RESOURCE_EXHAUSTED" })
      assert.strictEqual(
        yield* Stream.runCount(Stream.catchCause(feed.stream, () => Stream.empty)),
        0
      )
    }))
})
