import { assert, describe, it } from "@effect/vitest"
import type * as Approver from "effect-code-mode/Approver"
import * as Delegate from "effect-code-mode/Delegate"
import { NotifyError, ToolError } from "effect-code-mode/Protocol"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
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
      const both = yield* Delegate.merge(only, yield* Delegate.rename(two.self, ({ name }) => `two_${name}`))
      assert.deepStrictEqual(both.tools.map(({ name }) => name), ["a", "two_a", "two_b"])
      yield* both.invokeTool({ ...toolCall({ name: "b" }), tool: "two_b" })
      assert.deepStrictEqual(two.got.map(({ tool }) => tool), ["b"])
      assert.lengthOf(one.got, 0)
    }))

  it.effect("say of names that clash which these are", () =>
    Effect.gen(function*() {
      const { self } = Noting.make()
      const other = Noting.make(undefined, {}, ["a-x", "b"]).self
      const merged = yield* Effect.flip(Delegate.merge(self, other))
      assert.deepInclude(merged, { _tag: "ToolNameClash", names: ["b"], message: "more than one tool is named b" })
      // Names clash as a cell sees them.
      const renamed = yield* Effect.flip(Delegate.rename(other, ({ name }) => name === "b" ? "a_x" : name))
      assert.deepInclude(renamed, { names: ["a_x"] })
    }))

  it.effect("of two tools that come to have one name have the earlier delegate's", () =>
    Effect.gen(function*() {
      const [one, two] = [Noting.make(Effect.succeed(1), {}, ["a"]), Noting.make(Effect.succeed(2), {}, ["b"])]
      let { tools } = two.self
      const both = yield* Delegate.merge(one.self, {
        ...two.self,
        get tools() {
          return tools
        }
      })
      tools = [...one.self.tools, ...tools]
      assert.deepStrictEqual(both.tools.map(({ name }) => name), ["a", "b"])
      assert.strictEqual(yield* both.invokeTool(toolCall({ name: "a" })), 1)
    }))

  it.effect("give a notification to all, whatever becomes of it at one", () =>
    Effect.gen(function*() {
      const heard: Array<string> = []
      const hearing = (name: string, fails: boolean) => ({
        ...Noting.make(undefined, {}, [name]).self,
        notify: () =>
          Effect.andThen(
            Effect.sync(() => heard.push(name)),
            fails ? Effect.fail(new NotifyError({ text: name })) : Effect.void
          )
      })
      const all = yield* Delegate.merge(hearing("a", true), hearing("b", false))
      const { callId, cellId } = toolCall({ name: "a" })
      assert.strictEqual((yield* Effect.flip(all.notify({ callId, cellId, text: "hi" }))).text, "a")
      assert.deepStrictEqual(heard, ["a", "b"])
    }))

  it.effect("work on layers, too", () =>
    Effect.gen(function*() {
      const opened: Array<string> = []
      const layer = (...names: ReadonlyArray<string>) =>
        Layer.effect(
          Delegate.Delegate,
          Effect.acquireRelease(
            Effect.sync(() => (opened.push(...names), Noting.make(Effect.succeed(names[0]!), {}, names).self)),
            () => Effect.sync(() => opened.splice(0))
          )
        )
      const merged = Delegate.layerMerge(
        layer("a", "b").pipe(Delegate.layerFilter(({ name }) => name === "b")),
        layer("a").pipe(Delegate.layerRename(({ name }) => `other_${name}`))
      )
      yield* Effect.gen(function*() {
        const { invokeTool, tools } = yield* Delegate.Delegate
        assert.deepStrictEqual(tools.map(({ name }) => name), ["b", "other_a"])
        assert.strictEqual(yield* invokeTool(toolCall({ name: "b" })), "a")
        assert.sameMembers(opened, ["a", "b", "a"])
      }).pipe(Effect.provide(merged))
      assert.deepStrictEqual(opened, [])
      const clash = yield* Effect.flip(Effect.provide(Delegate.Delegate, Delegate.layerMerge(layer("a"), layer("a"))))
      assert.strictEqual(clash._tag, "ToolNameClash")
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

  it.effect("bound the time of a call that ignores its interruption, too", () =>
    Effect.gen(function*() {
      let ended = 0
      const deaf = Effect.uninterruptible(Effect.sleep("1 hour")).pipe(Effect.andThen(Effect.sync(() => ended++)))
      const bounded = Delegate.withTimeout(Noting.make(Effect.as(deaf, null)).self, "2 seconds")
      const call = bounded.invokeTool(toolCall({ name: "a" }))
      const late = yield* Effect.forkChild(Effect.flip(call), { startImmediately: true })
      yield* TestClock.adjust(2099)
      assert.isUndefined(late.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(late)).text, "a gave no answer within 2s")
      // One that is interrupted is waited for: its cell bounds that.
      const interrupted = yield* Effect.forkChild(call, { startImmediately: true })
      const leaving = yield* Effect.forkChild(Fiber.interrupt(interrupted), { startImmediately: true })
      yield* TestClock.adjust("59 minutes")
      assert.isUndefined(leaving.pollUnsafe())
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(leaving)
      assert.strictEqual(ended, 0)
    }))

  it.effect("give the answer of a call that takes no time", () =>
    Effect.gen(function*() {
      const bounded = Delegate.withTimeout(Noting.make(Effect.succeed(1)).self, "2 seconds")
      assert.strictEqual(yield* bounded.invokeTool(toolCall({ name: "a" })), 1)
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

  it.effect("hold their types: what can ask needs an approver", () => {
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
