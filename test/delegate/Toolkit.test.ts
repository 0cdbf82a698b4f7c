import { assert, describe, it } from "@effect/vitest"
import * as Approver from "effect-code-mode/Approver"
import * as Declarations from "effect-code-mode/Declarations"
import * as Delegate from "effect-code-mode/Delegate"
import { ToolError } from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { layer as session } from "../session/TestSession.ts"
import { toolCall } from "../toolCall.ts"

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

  it.effect("tells tools apart whose names come out alike", () =>
    Effect.gen(function*() {
      const { invokeTool, tools } = yield* Delegate.Delegate
      assert.deepStrictEqual(tools.map(({ name }) => name), ["get_stock_2", "get_stock"])
      const said = yield* Effect.forEach(tools, ({ toolName }) => invokeTool(toolCall(toolName)))
      assert.deepStrictEqual(said, ["by hyphen", "exact"])
    }).pipe(Effect.provide(
      Effect.gen(function*() {
        const Alike = Toolkit.make(
          Tool.make("get-stock", { success: Schema.String }),
          Tool.make("get_stock", { success: Schema.String })
        )
        return Delegate.layerToolkit(Alike).pipe(Layer.provide(Alike.toLayer({
          "get-stock": () => Effect.succeed("by hyphen"),
          get_stock: () => Effect.succeed("exact")
        })))
      }).pipe(Layer.unwrap)
    )))

  it.effect("says of a call that its handler refused that nothing was done", () => {
    const Refusing = Toolkit.make(
      Tool.make("refuse", { parameters: Schema.Struct({ on: Schema.Date }), failure: ToolError })
    )
    return Effect.gen(function*() {
      assert.deepInclude(yield* Effect.flip(ask("refuse", { on: "2026-01-01T00:00:00.000Z" })), {
        text: "not today",
        performed: false
      })
    }).pipe(Effect.provide(
      Delegate.layerToolkit(Refusing).pipe(Layer.provide(Refusing.toLayer({
        refuse: () => Effect.fail(new ToolError({ text: "not today", performed: false }))
      })))
    ))
  })

  it.effect("takes and gives JSON for what is not JSON in a program", () => {
    const Values = Schema.Struct({
      at: Schema.Date,
      count: Schema.BigInt,
      maybe: Schema.Option(Schema.Number),
      odd: Schema.Number
    })
    const Echo = Toolkit.make(Tool.make("echo", { parameters: Values, success: Values }))
    const value = {
      at: "2026-11-28T00:00:00.000Z",
      count: "7",
      maybe: { _tag: "Some", value: 1 },
      odd: "NaN"
    }
    const seen: Array<typeof Values.Type> = []
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* ask("echo", value), value)
      assert.deepInclude(seen[0], { at: new Date(value.at), count: 7n })
    }).pipe(Effect.provide(
      Delegate.layerToolkit(Echo).pipe(Layer.provide(Echo.toLayer({
        echo: (values) => Effect.sync(() => (seen.push(values), values))
      })))
    ))
  })

  it.effect("decides on the decoded argument whether an approval is needed", () => {
    const Booking = Toolkit.make(Tool.make("book", {
      parameters: Schema.Struct({ on: Schema.Date }),
      success: Schema.String,
      needsApproval: ({ on }) => on.getUTCDay() === 0
    }))
    return Effect.gen(function*() {
      assert.strictEqual(yield* ask("book", { on: "2026-11-28T00:00:00.000Z" }), "booked")
      assert.deepInclude(yield* Effect.flip(ask("book", { on: "2026-11-29T00:00:00.000Z" })), { performed: false })
    }).pipe(Effect.provide(
      Delegate.layerToolkit(Booking).pipe(Layer.provide(Booking.toLayer({
        book: () => Effect.succeed("booked")
      })))
    ))
  })

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

it.effect("a session tells which tools and bounds it has", () =>
  Effect.gen(function*() {
    const self = yield* Runtime.SessionRuntime
    assert.deepStrictEqual((yield* self.tools).map(({ name }) => name), ["tool"])
    assert.strictEqual(self.limits.maxLiveCells, 3)
  }).pipe(Effect.provide(session({ limits: { maxLiveCells: 3 } }))))
