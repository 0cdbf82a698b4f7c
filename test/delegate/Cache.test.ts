import { assert, describe, it } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import { type NestedToolCall, type ToolAnnotations, ToolError } from "effect-code-mode/Protocol"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { toolCall } from "../toolCall.ts"
import * as Noting from "./Noting.ts"

const background = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

/** A delegate with a cache, whose tools count their calls. Its tool `write` has an effect. */
const counting = Effect.fnUntraced(function*(
  options?: Delegate.CacheOptions & {
    readonly annotations?: ToolAnnotations
    readonly answer?: (call: NestedToolCall, count: number) => Effect.Effect<Schema.Json, ToolError>
  }
) {
  let count = 0
  const answer = options?.answer ?? ((_, count) => Effect.succeed({ count }))
  const { got, self } = Noting.make((call) => answer(call, ++count), options?.annotations ?? { readOnly: true }, [
    "read",
    "other"
  ])
  const writing = Noting.make((call) => call.input === "never" ? Effect.never : Effect.succeed(null), {}, ["write"])
  const cached = Delegate.withCache(yield* Delegate.merge(self, writing.self), options)
  const ask = (name: string, input?: Schema.Json, sessionId = "session") =>
    cached.invokeTool({ ...toolCall({ name, input }), sessionId })
  return { ask, got }
})

describe("Delegate.withCache", () => {
  it.effect("gives the result of an equal call again, in its session and for its time", () =>
    Effect.gen(function*() {
      const { ask, got } = yield* counting({ timeToLive: "1 minute" })
      const first = yield* ask("read", { b: [1, { y: 2, x: null }], a: "q" })
      assert.deepStrictEqual(yield* ask("read", { a: "q", b: [1, { x: null, y: 2 }] }), first)
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(yield* ask("read", { a: "q", b: [1, { x: null, y: 2 }] }), first)
      assert.lengthOf(got, 1)
      const others: ReadonlyArray<readonly [name: string, input?: Schema.Json]> = [
        ["other", { a: "q" }],
        ["read", { a: "q" }],
        ["read"],
        ["read", null]
      ]
      for (const [name, input] of others) {
        yield* ask(name, input)
      }
      yield* ask("read", { a: "q" }, "another session")
      assert.lengthOf(got, 6)
      yield* TestClock.adjust("1 second")
      assert.notDeepEqual(yield* ask("read", { a: "q", b: [1, { x: null, y: 2 }] }), first)
    }))

  it.effect("shares results among all sessions where it is told to", () =>
    Effect.gen(function*() {
      const { ask, got } = yield* counting({ of: "all" })
      yield* ask("read", 1, "one")
      yield* ask("read", 1, "two")
      assert.lengthOf(got, 1)
    }))

  it.effect("keeps no failure, and nothing of tools that say nothing of their effects", () =>
    Effect.gen(function*() {
      const failing = yield* counting({ answer: () => Effect.fail(new ToolError({ text: "down" })) })
      yield* Effect.flip(failing.ask("read"))
      yield* Effect.flip(failing.ask("read"))
      assert.lengthOf(failing.got, 2)
      for (const annotations of [{}, { readOnly: false }, { readOnly: true, needsApproval: true }]) {
        const { ask, got } = yield* counting({ annotations })
        yield* ask("read")
        yield* ask("read")
        assert.lengthOf(got, 2)
      }
      const { ask, got } = yield* counting({ annotations: { idempotent: true } })
      yield* ask("read")
      yield* ask("read")
      assert.lengthOf(got, 1)
    }))

  it.effect("forgets everything when something has an effect", () =>
    Effect.gen(function*() {
      const { ask, got } = yield* counting()
      yield* ask("read")
      yield* ask("write")
      yield* ask("read")
      assert.lengthOf(got, 2)
      const writing = yield* background(ask("write", "never"))
      // What is read meanwhile may be from before.
      yield* ask("read")
      yield* Fiber.interrupt(writing)
      yield* ask("read")
      assert.lengthOf(got, 4)
    }))

  it.effect("makes an idempotent call again when another one came between", () =>
    Effect.gen(function*() {
      const { ask, got } = yield* counting({ annotations: { idempotent: true } })
      for (const input of ["x", "x", "y", "x"]) {
        yield* ask("read", input)
      }
      assert.deepStrictEqual(got.map(({ input }) => input), ["x", "y", "x"])
    }))

  it.effect("keeps what was begun before an effect for nobody", () =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      const { ask, got } = yield* counting({ answer: (_, count) => Effect.as(Deferred.await(go), count) })
      const first = yield* background(ask("read"))
      yield* ask("write")
      const second = yield* background(ask("read"))
      yield* Deferred.succeed(go, undefined)
      assert.deepStrictEqual([yield* Fiber.join(first), yield* Fiber.join(second)], [1, 2])
      assert.strictEqual(yield* ask("read"), 2)
      assert.lengthOf(got, 2)
    }))

  it.effect("makes one call for those that are under way together, which outlives each but the last", () =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      let interrupted = 0
      const { ask, got } = yield* counting({
        answer: (_, count) =>
          Deferred.await(go).pipe(Effect.as(count), Effect.onInterrupt(() => Effect.sync(() => interrupted++)))
      })
      const fibers = [
        yield* background(ask("read")),
        yield* background(ask("read")),
        yield* background(ask("read"))
      ] as const
      assert.lengthOf(got, 1)
      yield* Fiber.interrupt(fibers[0])
      yield* Deferred.succeed(go, undefined)
      assert.deepStrictEqual([yield* Fiber.join(fibers[1]), yield* Fiber.join(fibers[2])], [1, 1])
      assert.strictEqual(interrupted, 0)
    }))

  it.effect("ends a call that nothing waits for any more, and begins anew", () =>
    Effect.gen(function*() {
      const ended = yield* Deferred.make<void>()
      const { ask, got } = yield* counting({
        answer: (_, count) =>
          count === 1 ? Effect.onInterrupt(Effect.never, () => Deferred.await(ended)) : Effect.succeed("second")
      })
      const fibers = [yield* background(ask("read")), yield* background(ask("read"))]
      const leaving = yield* background(Fiber.interruptAll(fibers))
      assert.strictEqual(yield* ask("read"), "second")
      assert.isUndefined(leaving.pollUnsafe())
      // Its end is waited for, as that of a call without a cache.
      yield* Deferred.succeed(ended, undefined)
      yield* Fiber.join(leaving)
      assert.lengthOf(got, 2)
    }))

  it.effect("shares a failure and a defect with those who wait", () =>
    Effect.gen(function*() {
      for (const failure of [Effect.fail(new ToolError({ text: "down" })), Effect.die("bug")]) {
        const go = yield* Deferred.make<void>()
        const { ask, got } = yield* counting({ answer: () => Effect.andThen(Deferred.await(go), failure) })
        const fibers = [yield* background(Effect.exit(ask("read"))), yield* background(Effect.exit(ask("read")))]
        yield* Deferred.succeed(go, undefined)
        assert.isTrue((yield* Fiber.joinAll(fibers)).every(Exit.isFailure))
        assert.lengthOf(got, 1)
      }
    }))

  it.effect("keeps so many results, and so many bytes", () =>
    Effect.gen(function*() {
      const few = yield* counting({ maxEntries: 2 })
      yield* Effect.forEach([1, 2, 3, 2, 3, 1], (input) => few.ask("read", input))
      assert.deepStrictEqual(few.got.map(({ input }) => input), [1, 2, 3, 1])
      const small = yield* counting({ maxBytes: 100, answer: ({ input }) => Effect.succeed("x".repeat(Number(input))) })
      yield* Effect.forEach([40, 40, 30, 30, 40, 200, 200], (input) => small.ask("read", input))
      assert.deepStrictEqual(small.got.map(({ input }) => input), [40, 30, 200, 200])
    }))

  it.effect("asks anew for what is nested too deep", () =>
    Effect.gen(function*() {
      const { ask, got } = yield* counting()
      let deep: Schema.Json = []
      for (let depth = 0; depth < 100_000; depth++) {
        deep = [deep]
      }
      yield* ask("read", deep)
      yield* ask("read", deep)
      assert.lengthOf(got, 2)
    }))
})
