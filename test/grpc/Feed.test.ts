import { assert, describe, it } from "@effect/vitest"
import { Feed } from "effect-code-mode/host/grpc/Feed"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** Everything that a feed gives, to a reader that always has room. */
const collect = (feed: Feed<number>) => {
  const taken: Array<number> = []
  return Effect.as(
    feed.giveTo((value) => {
      taken.push(value)
      return undefined
    }),
    taken
  )
}

describe("a feed", () => {
  it.effect("gives what was put in, and then ends", () =>
    Effect.gen(function*() {
      const feed = new Feed<number>()
      feed.offer(1)
      feed.offer(2)()
      const reading = yield* Effect.forkChild(collect(feed), { startImmediately: true })
      feed.offer(3)
      feed.end()
      feed.offer(4)
      assert.deepStrictEqual(yield* Fiber.join(reading), [1, 3])
    }))

  it.effect("knows what was sent only when its reader has room for more", () =>
    Effect.gen(function*() {
      const feed = new Feed<number>()
      const sent: Array<number> = []
      const seen: Array<ReadonlyArray<number>> = []
      const rooms = [Deferred.makeUnsafe<void>(), Deferred.makeUnsafe<void>()]
      for (const value of [0, 1]) feed.offer(value, () => sent.push(value))
      feed.end()
      const reading = yield* Effect.forkChild(
        feed.giveTo((value) => {
          seen.push([...sent])
          return Deferred.await(rooms[value]!)
        }),
        { startImmediately: true }
      )
      assert.deepStrictEqual([seen, sent], [[[]], []])
      yield* Effect.forEach(rooms, (room) => Deferred.succeed(room, undefined))
      yield* Fiber.join(reading)
      assert.deepStrictEqual([seen, sent], [[[], [0]], [0, 1]])
    }))

  it.effect("gives what is put in when something was sent, in order", () =>
    Effect.gen(function*() {
      const feed = new Feed<number>()
      feed.offer(1, () => {
        feed.offer(3)
        feed.end()
      })
      feed.offer(2)
      assert.deepStrictEqual(yield* collect(feed), [1, 2, 3])
    }))

  it.effect("ends where nobody reads", () =>
    Effect.gen(function*() {
      const feed = new Feed<number>()
      for (let value = 0; value < 70_000; value++) feed.offer(value)
      assert.deepInclude(yield* Effect.flip(collect(feed)), { code: "RESOURCE_EXHAUSTED" })
      // It has given everything else before.
      const after: Array<number> = []
      yield* Effect.ignore(feed.giveTo((value) => {
        after.push(value)
        return undefined
      }))
      assert.deepStrictEqual(after, [])
    }))
})
