import { assert, describe, it } from "@effect/vitest"
import type * as Approver from "effect-code-mode/Approver"
import * as Delegate from "effect-code-mode/Delegate"
import { ToolError } from "effect-code-mode/Protocol"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import { toolCall } from "../toolCall.ts"
import * as Noting from "./Noting.ts"

describe("combinators", () => {
  it.effect("filter, rename and merge tools, and follow their list", () =>
    Effect.gen(function*() {
      const one = Noting.make()
      const two = Noting.make()
      const only = Delegate.filter(one.self, ({ name }) => name === "a")
      assert.strictEqual(only.tools, only.tools)
      assert.deepStrictEqual(only.tools.map(({ name }) => name), ["a"])
      assert.deepInclude(yield* Effect.flip(only.invokeTool(toolCall({ name: "b" }))), { performed: false })
      const both = Delegate.merge(only, Delegate.rename(two.self, ({ name }) => `two_${name}`))
      assert.deepStrictEqual(both.tools.map(({ name }) => name), ["a", "two_a", "two_b"])
      yield* both.invokeTool({ ...toolCall({ name: "b" }), tool: "two_b" })
      assert.deepStrictEqual(two.got.map(({ tool }) => tool), ["b"])
      assert.lengthOf(one.got, 0)
    }))

  it.effect("bound the time of calls, and how many run", () =>
    Effect.gen(function*() {
      const { got, self } = Noting.make(Effect.never)
      const bounded = Delegate.withTimeout(Delegate.withConcurrency(self, 1), "2 seconds")
      const fibers = yield* Effect.forEach(["a", "b"], (name) =>
        Effect.forkChild(Effect.flip(bounded.invokeTool(toolCall({ name }))), { startImmediately: true }))
      assert.lengthOf(got, 1)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(
        (yield* Fiber.joinAll(fibers)).map(({ text }) =>
          text
        ),
        [
          "a gave no answer within 2s",
          "b gave no answer within 2s"
        ]
      )
    }))

  it.effect("try again what may be repeated, and nothing else", () =>
    Effect.gen(function*() {
      const failure = Effect.fail(new ToolError({ text: "down" }))
      for (const [annotations, attempts] of [[{}, [1]], [{ idempotent: true }, [1, 2, 3]]] as const) {
        const { got, self } = Noting.make(failure, annotations)
        yield* Effect.flip(Delegate.withRetry(self, Schedule.recurs(2)).invokeTool(toolCall({ name: "a" })))
        assert.deepStrictEqual(got.map(({ attempt }) => attempt), [...attempts])
      }
    }))

  it.effect("hold their types: what can ask needs somebody to be asked", () => {
    const { self } = Noting.make()
    const never: Effect.Effect<Delegate.Delegate["Service"]> = Delegate.withPolicy(self, () => ({ deny: "no" }))
    const asking = Delegate.withPolicy(self, () => "ask")
    const isNeeded: Approver.Approver extends Effect.Services<typeof asking> ? true : false = true
    return Effect.map(never, () => isNeeded)
  })

  it.effect("deny with a reason", () =>
    Effect.gen(function*() {
      const { got, self } = Noting.make()
      const kept = yield* Delegate.withPolicy(self, ({ tool }) => tool === "a" ? "allow" : { deny: "it is not yours" })
      yield* kept.invokeTool(toolCall({ name: "a" }))
      assert.deepInclude(yield* Effect.flip(kept.invokeTool(toolCall({ name: "b" }))), {
        text: "b was not called: it is not yours",
        performed: false
      })
      assert.lengthOf(got, 1)
    }))
})
