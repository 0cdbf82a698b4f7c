import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import * as Delegate from "effect-code-mode/Delegate"
import * as Inspector from "effect-code-mode/Inspector"
import { ToolError } from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as Store from "effect-code-mode/Store"
import * as V8 from "effect-code-mode/V8"
import type { CallValues, StoredView } from "../../src/inspector/PageMessage.ts"
import * as Events from "./Events.ts"

const tools = Delegate.layerTools({
  add: Delegate.tool({
    description: "Adds",
    parameters: Schema.Struct({ a: Schema.Number }),
    handler: ({ a }) => Effect.succeed(a + 1)
  }),
  refuse: Delegate.tool({
    description: "Fails",
    parameters: Schema.Struct({}),
    handler: () => Effect.fail(new ToolError({ text: "no" }))
  }),
  wait: Delegate.tool({ description: "Waits", parameters: Schema.Struct({}), handler: () => Effect.never })
})

const get = <A>(address: string, path: string) =>
  Effect.promise(() => fetch(`${address}${path}`).then((answer) => answer.json() as Promise<A>))

describe("what a store keeps", () => {
  it.live("is shown beside what is there: cells that have ended, and those that sleep", () =>
    Effect.gen(function*() {
      const store = yield* Store.Store
      const inspector = yield* Inspector.Inspector
      const address = Redacted.value(inspector.address)
      yield* Effect.gen(function*() {
        const session = yield* Runtime.SessionRuntime
        const { initial } = yield* session.execute({
          callId: "first",
          source: "store('sum', await tools.add({ a: 1 })); text('one'); await tools.refuse({}).catch(text); gone()"
        })
        yield* initial
        const waits = yield* session.execute({ callId: "second", source: "text('two'); await tools.wait({})" })
        yield* Effect.forkScoped(waits.initial)
        yield* Events.first(
          address,
          ({ cells }) => cells?.find(({ callId, calls }) => callId === "second" && calls === 1)
        )
      }).pipe(
        Effect.provide(
          Runtime.layerDurable({ session: "kept" }).pipe(
            Layer.provide([tools, V8.layer({ warmLanes: 0 })]),
            Layer.provide(Layer.succeed(Store.Store, store))
          )
        ),
        Effect.scoped
      )
      // Its cells have not ended with it here.
      const asleep = yield* Events.first(address, ({ cells }) => cells?.find(({ callId }) => callId === "second"))
      assert.strictEqual(asleep.status, "Sleeping")

      const { ok, text } = yield* Events.ask(address, { _tag: "LoadKept" })
      assert.strictEqual(text, "1 kept session")
      assert.isTrue(ok)
      // Once more shows nothing twice.
      yield* Events.ask(address, { _tag: "LoadKept" })
      const message = yield* Events.first(address, (message) => message.reset === undefined ? undefined : message)
      assert.isTrue(message.reset?.process.hasStore)
      const [kept, ...others] = message.sessions!.filter(({ kept }) => kept === true)
      assert.strictEqual(kept?.name, "kept")
      assert.deepStrictEqual(others, [])
      const cells = message.cells!.filter(({ session }) => session === kept?.key)
      assert.deepStrictEqual(cells.map(({ callId, calls, failed, status }) => ({ callId, calls, failed, status })), [
        { callId: "first", calls: 2, failed: 1, status: "Failed" },
        { callId: "second", calls: 1, failed: 0, status: "Sleeping" }
      ])

      const [first, second] = cells.map(({ key }) => key)
      const focus = yield* Events.first(`${address}`, ({ focus }) => focus, `?cell=${first}`)
      assert.deepStrictEqual(focus.tools, ["add", "refuse"])
      assert.deepStrictEqual(focus.calls?.map(([number, , state]) => [number, state]), [[1, 2], [2, 3]])
      assert.isTrue(focus.calls?.every(([, , , start, duration]) => start >= 0 && duration >= 0))
      assert.deepStrictEqual(focus.items?.list.map(({ kind, text }) => [kind, text?.split("\n")[0]]), [
        ["text", "one"],
        ["text", "no"],
        ["error", "ReferenceError: gone is not defined"]
      ])
      const values = yield* get<CallValues>(address, `values?cell=${first}&call=1`)
      assert.deepStrictEqual(values, { input: { text: "{\"a\":1}", omitted: 0 }, result: { text: "2", omitted: 0 } })
      const stored = yield* get<StoredView>(address, `stored?session=${kept?.key}`)
      assert.deepStrictEqual(stored.values, [{ name: "sum", json: { text: "2", omitted: 0 } }])
      const stopped = yield* Events.ask(address, { _tag: "Terminate", cell: second! })
      assert.isFalse(stopped.ok)
    }).pipe(
      Effect.provide(Inspector.layer({ port: 0 }).pipe(Layer.provideMerge(Store.layerMemory())))
    ))
})
