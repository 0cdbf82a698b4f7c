import { assert, describe, it } from "@effect/vitest"
import * as Approver from "effect-code-mode/Approver"
import * as Declarations from "effect-code-mode/Declarations"
import * as Delegate from "effect-code-mode/Delegate"
import { CellId, type NestedToolCall, ToolError } from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { toolCall } from "../toolCall.ts"
import { calls, layer as session, makeCell, toolCallId } from "./TestSession.ts"

class Rate extends Context.Service<Rate, number>()("test/Rate") {}

const Tools = Toolkit.make(
  Tool.make("convert", {
    description: "Converts an amount",
    parameters: Schema.Struct({ amount: Schema.NumberFromString }),
    success: Schema.Struct({ amount: Schema.Number }),
    dependencies: [Rate]
  }).annotate(Tool.Readonly, true),
  Tool.make("fail", { failure: Schema.Struct({ message: Schema.String }), failureMode: "return" }),
  Tool.make("pay", {
    parameters: Schema.Struct({ cents: Schema.Int }),
    success: Schema.String,
    needsApproval: ({ cents }) => cents > 100
  })
)

const handlers = Tools.toLayer({
  convert: ({ amount }) => Effect.map(Rate, (rate) => ({ amount: amount * rate })),
  fail: () => Effect.fail({ message: "out of order" }),
  pay: ({ cents }) => Effect.succeed(`paid ${cents}`)
})

const toolkit = Delegate.layerToolkit(Tools).pipe(Layer.provide([handlers, Layer.succeed(Rate, 2)]))

const ask = (name: string, input: Schema.Json) =>
  Effect.flatMap(Delegate.Delegate, ({ invokeTool }) => invokeTool(toolCall({ name, input })))

describe("a toolkit", () => {
  it.effect("reads as a person would write it", () => {
    interface Tree {
      readonly size: number
      readonly branches: ReadonlyArray<Tree>
    }
    const Tree = Schema.Struct({
      size: Schema.Number,
      branches: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
    })
    const Weather = Toolkit.make(
      Tool.make("forecast", {
        parameters: Schema.Struct({ city: Schema.String, days: Schema.optionalKey(Schema.Number) }),
        success: Schema.Array(Schema.Number)
      }),
      Tool.make("described", {
        parameters: Schema.Struct({
          days: Schema.Number.check(Schema.isGreaterThan(3)).annotate({ description: "How many" }),
          high: Schema.Option(Schema.Number),
          low: Schema.NumberFromString,
          minimum: Schema.Int,
          prices: Schema.Record(Schema.String, Schema.NullOr(Schema.Number))
        })
      }),
      Tool.make("now", { success: Schema.Date }),
      Tool.make("count", { parameters: Schema.Struct({}), success: Schema.Int }),
      Tool.make("grow", { parameters: Tree, success: Tree })
    )
    return Effect.gen(function*() {
      const { tools } = yield* Delegate.Delegate
      assert.deepStrictEqual(tools.map(Declarations.ofTool), [
        "forecast(args: { city: string; days?: number; }): Promise<Array<number>>;",
        [
          "described(args: {",
          "  // How many (more than 3)",
          "  days: number;",
          "  high: { _tag: \"Some\"; value: number; } | { _tag: \"None\"; };",
          "  low: string;",
          "  // (integer)",
          "  minimum: number;",
          "  prices: { [key: string]: number | null; };",
          "}): Promise<unknown>;"
        ].join("\n"),
        "now(args?: {}): Promise<string>;",
        "count(args?: {}): Promise<number>;",
        "grow(args: { branches: Array<{ branches: Array<unknown>; size: number; }>; size: number; }): " +
        "Promise<{ branches: Array<{ branches: Array<unknown>; size: number; }>; size: number; }>;"
      ])
    }).pipe(Effect.provide(
      Delegate.layerToolkit(Weather).pipe(Layer.provide(Weather.toLayer({
        forecast: () => Effect.succeed([]),
        described: () => Effect.void,
        now: () => Effect.die(""),
        count: () => Effect.succeed(0),
        grow: (tree) => Effect.succeed(tree)
      })))
    ))
  })

  it.effect("is what a cell may call", () =>
    Effect.gen(function*() {
      const { tools } = yield* Delegate.Delegate
      assert.deepStrictEqual(tools.map(({ annotations, name }) => [name, annotations]), [
        ["convert", { readOnly: true }],
        ["fail", {}],
        ["pay", { needsApproval: true }]
      ])
      assert.deepInclude(tools[0]!.outputSchema, { type: "object", required: ["amount"] })
      assert.deepStrictEqual(yield* ask("convert", { amount: "21" }), { amount: 42 })
      assert.deepInclude(yield* Effect.flip(ask("fail", {})), { text: "out of order" })
      assert.deepInclude(yield* Effect.flip(ask("convert", { amount: 1 })), { performed: false })
      assert.deepInclude(yield* Effect.flip(ask("none", {})), { text: "unknown tool none", performed: false })
    }).pipe(Effect.provide(toolkit)))

  it.effect("performs nothing that needs an approval where there is none", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* ask("pay", { cents: 100 }), "paid 100")
      assert.deepInclude(yield* Effect.flip(ask("pay", { cents: 101 })), {
        text: "pay was not called: it needs an approval, and nothing here can give one",
        performed: false
      })
    }).pipe(Effect.provide(toolkit)))

  it.effect("performs what is approved, with what was edited", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* ask("pay", { cents: 500 }), "paid 200")
    }).pipe(Effect.provide(toolkit.pipe(Layer.provide(
      Approver.layerCallback(() => Effect.succeed(Approver.approved("once", { cents: 200 })))
    )))))
})

/** A delegate that notes what reaches it. */
const noting = (answer: Effect.Effect<Schema.Json, ToolError> = Effect.succeed(null), annotations = {}) => {
  const got: Array<NestedToolCall> = []
  const self = Delegate.Delegate.of({
    tools: ["a", "b"].map((name) => ({
      ...Delegate.definition(name, { description: "", inputSchema: true }),
      annotations
    })),
    invokeTool: (call) =>
      Effect.suspend(() => {
        got.push(call)
        return answer
      }),
    notify: () => Effect.void
  })
  return { got, self }
}

describe("approvals", () => {
  const approving = (
    answer: (request: Approver.ApprovalRequest) => Effect.Effect<Approver.Decision>,
    self: Delegate.Delegate["Service"]
  ) => Delegate.withApproval(self).pipe(Effect.provide(Approver.layerCallback(answer)))
  const needed = { needsApproval: true }

  it.effect("are remembered for as long as they say, and for no other session", () =>
    Effect.gen(function*() {
      for (
        const [remember, expected] of [["once", 5], ["cell", 4], ["session", 3], ["always", 2]] as const
      ) {
        let asked = 0
        const { got, self } = noting(undefined, needed)
        const delegate = yield* approving(() => Effect.sync(() => (asked++, Approver.approved(remember))), self)
        const again = { cellId: CellId.make("other") }
        yield* delegate.invokeTool(toolCall({ name: "a" }))
        yield* delegate.invokeTool(toolCall({ name: "a" }))
        yield* delegate.invokeTool(toolCall({ name: "a", ...again }))
        yield* delegate.invokeTool({ ...toolCall({ name: "a" }), sessionId: "other" })
        yield* delegate.invokeTool(toolCall({ name: "b" }))
        assert.strictEqual(asked, expected, remember)
        assert.lengthOf(got, 5)
      }
    }))

  it.effect("that are denied say why, and nothing was done", () =>
    Effect.gen(function*() {
      const { got, self } = noting(undefined, needed)
      const delegate = yield* approving(() => Effect.succeed(Approver.denied("it is late")), self)
      assert.deepInclude(yield* Effect.flip(delegate.invokeTool(toolCall({ name: "a" }))), {
        text: "a was not called: it was denied, because it is late. Do not try it again in the same way.",
        performed: false
      })
      assert.lengthOf(got, 0)
    }))

  it.effect("are waited for by a cell that says so, and do not outlive it", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const stopped = yield* Deferred.make<void>()
      const { got, self } = noting(undefined, needed)
      const delegate = yield* approving(
        () =>
          Effect.andThen(Deferred.succeed(asked, undefined), Effect.never).pipe(
            Effect.onInterrupt(() => Deferred.succeed(stopped, undefined))
          ),
        { ...self, tools: [{ ...self.tools[0]!, name: "tool" }] }
      )
      yield* Effect.gen(function*() {
        const { cell, isolate, session } = yield* makeCell
        yield* isolate.emit(calls("tool-1"))
        yield* Deferred.await(asked)
        const [live] = yield* session.cells
        assert.deepStrictEqual(live?.awaitingApproval, [toolCallId("tool-1")])
        // The bound on the time of a cell does not count meanwhile.
        yield* TestClock.adjust("1 hour")
        const event = yield* session.observe(cell, { yieldAfter: 0 })
        assert.deepInclude(event, { _tag: "Yielded", awaitingApproval: [toolCallId("tool-1")] })
        assert.strictEqual((yield* session.terminate(cell))._tag, "Terminated")
        yield* Deferred.await(stopped)
        const { calls: [record] } = yield* session.ledger(cell.id)
        assert.deepInclude(record, { tool: "tool", state: "NotStarted", durationMillis: 0 })
        assert.lengthOf(got, 0)
      }).pipe(
        Effect.provide(session({ invokeTool: delegate.invokeTool, limits: { maxWallTime: Duration.minutes(1) } }))
      )
    }))
})

describe("combinators", () => {
  it.effect("filter, rename and merge tools, and follow their list", () =>
    Effect.gen(function*() {
      const one = noting()
      const two = noting()
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
      const { got, self } = noting(Effect.never)
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
        const { got, self } = noting(failure, annotations)
        yield* Effect.flip(Delegate.withRetry(self, Schedule.recurs(2)).invokeTool(toolCall({ name: "a" })))
        assert.deepStrictEqual(got.map(({ attempt }) => attempt), [...attempts])
      }
    }))

  it.effect("deny with a reason", () =>
    Effect.gen(function*() {
      const { got, self } = noting()
      const kept = Delegate.withPolicy(self, ({ tool }) => tool === "a" ? "allow" : { deny: "it is not yours" })
      yield* kept.invokeTool(toolCall({ name: "a" }))
      assert.deepInclude(yield* Effect.flip(kept.invokeTool(toolCall({ name: "b" }))), {
        text: "b was not called: it is not yours",
        performed: false
      })
      assert.lengthOf(got, 1)
    }))

  it.effect("keep secrets out of results and errors", () =>
    Effect.gen(function*() {
      const secrets = ["hunter2", "hunter22"].map((text) => Redacted.make(text))
      const { self } = noting(Effect.succeed({ "k hunter2": ["a hunter22 b", { deep: "hunter2hunter2" }], n: 1 }))
      assert.deepStrictEqual(yield* Delegate.withRedaction(self, secrets).invokeTool(toolCall({ name: "a" })), {
        "k [redacted]": ["a [redacted] b", { deep: "[redacted][redacted]" }],
        n: 1
      })
      const failing = noting(Effect.fail(new ToolError({ text: "bad password hunter2" })))
      const error = yield* Effect.flip(
        Delegate.withRedaction(failing.self, secrets).invokeTool(toolCall({ name: "a" }))
      )
      assert.strictEqual(error.text, "bad password [redacted]")
      assert.throws(() => Delegate.withRedaction(self, [Redacted.make("abc")]), /at least 4 characters/)
    }))
})

it.effect("a session tells which tools and bounds it has", () =>
  Effect.gen(function*() {
    const self = yield* Runtime.SessionRuntime
    assert.deepStrictEqual((yield* self.tools).map(({ name }) => name), ["tool"])
    assert.strictEqual(self.limits.maxLiveCells, 3)
  }).pipe(Effect.provide(session({ limits: { maxLiveCells: 3 } }))))
