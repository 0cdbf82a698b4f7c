import { assert, describe, it } from "@effect/vitest"
import * as Cluster from "effect-code-mode/Cluster"
import * as OldMessages from "effect-code-mode/cluster/OldMessages"
import * as Delegate from "effect-code-mode/Delegate"
import type * as Protocol from "effect-code-mode/Protocol"
import * as Store from "effect-code-mode/Store"
import * as V8 from "effect-code-mode/V8"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Database from "../postgres/Database.ts"
import * as Sharding from "./fixtures/Sharding.ts"
import * as Port from "./Port.ts"

describe.skipIf(Database.missing)(`a cluster${Database.missing === undefined ? "" : `: ${Database.missing}`}`, () => {
  it.live("does not let those who wait notice that a host leaves", () =>
    Effect.gen(function*() {
      const calls = yield* Queue.unbounded<string>()
      const gate = Deferred.makeUnsafe<void>()
      const database = yield* Database.fresh

      /** A host that leaves when its scope is closed. */
      const host = (name: string) =>
        Effect.gen(function*() {
          const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
          const wait = Delegate.tool({
            description: "Waits",
            parameters: Schema.Struct({}),
            annotations: { onRestart: "retry" },
            handler: () => Effect.as(Effect.andThen(Queue.offer(calls, name), Deferred.await(gate)), "waited")
          })
          const layer = Cluster.layerSessions({
            address: { host: "127.0.0.1", port: yield* Port.free },
            sharding: Sharding.quick
          }).pipe(
            Layer.provide([Delegate.layerTools({ wait }), V8.layer({ warmLanes: 0 }), Store.layerPostgres()]),
            Layer.provide(database)
          )
          yield* Layer.buildWithScope(Layer.fresh(layer), scope)
          return Scope.close(scope, Exit.void)
        })

      yield* Effect.gen(function*() {
        const leave = yield* host("first")
        const { session } = yield* Cluster.Connection
        const runtime = yield* session({ session: "user-42" })
        const events: Array<Protocol.LifecycleEvent> = []
        yield* Effect.forkScoped(
          Stream.runForEach(runtime.events, (event) =>
            Effect.sync(() => {
              events.push(event)
            })),
          { startImmediately: true }
        )
        // Once it hears of a cell, it hears of the next.
        yield* Effect.repeat(
          Effect.flatMap(
            runtime.execute({ callId: "call-0", source: "" }),
            ({ initial }) => Effect.as(initial, events.length)
          ),
          { until: (heard) => heard > 0 }
        )

        const { cell, initial } = yield* runtime.execute({
          callId: "call-1",
          source: "store('before', 1); text('before'); text(await tools.wait({})); store('after', 2)"
        })
        const outcome = yield* Effect.forkChild(initial, { startImmediately: true })
        const said = yield* Queue.unbounded<Protocol.OutputItem>()
        const output = yield* Effect.forkChild(
          Effect.flip(Stream.runForEach(runtime.output(cell), (item) => Queue.offer(said, item))),
          { startImmediately: true }
        )
        assert.strictEqual(yield* Queue.take(calls), "first")
        // A reader that has heard nothing may begin at the second host, and misses nothing.
        assert.deepStrictEqual(yield* Queue.take(said), { type: "input_text", text: "before" })

        yield* Effect.asVoid(host("second"))
        yield* leave
        assert.strictEqual(yield* Queue.take(calls), "second")
        assert.strictEqual((yield* Fiber.join(output))._tag, "Lagged")
        Deferred.doneUnsafe(gate, Effect.void)

        const event = yield* Fiber.join(outcome)
        assert.deepStrictEqual(event, {
          _tag: "Completed",
          cellId: cell.id,
          items: [{ type: "input_text", text: "before" }, { type: "input_text", text: "waited" }]
        })
        assert.deepStrictEqual(yield* runtime.storedValues, { before: 1, after: 2 })
        yield* Effect.repeat(Effect.sync(() => events), {
          until: (events) => events.some(({ _tag, cellId }) => _tag === "Closed" && cellId === cell.id),
          schedule: Schedule.spaced("10 millis")
        })
        assert.deepStrictEqual(
          events.filter(({ cellId }) => cellId === cell.id).map(({ _tag }) => _tag),
          ["Admitted", "Settled", "Closed"]
        )

        // What was answered is not kept for ever; what was not is.
        const sql = yield* SqlClient.SqlClient
        const count = Effect.map(
          sql<{ readonly count: number }>`SELECT count(*)::int4 AS count FROM cluster_messages`,
          ([row]) => row!.count
        )
        assert.isAbove(yield* count, 0)
        yield* Effect.repeat(Effect.andThen(OldMessages.sweep(Duration.zero), count), {
          until: (count) => count === 0,
          schedule: Schedule.spaced("50 millis")
        })
      }).pipe(
        Effect.provide(
          Layer.provideMerge(
            Layer.mergeAll(Cluster.layerConnection({ sharding: Sharding.quick }), Store.layerPostgres()),
            database
          )
        )
      )
    }).pipe(Effect.scoped), 100_000)

  it.live("says that no host answers", () =>
    Effect.gen(function*() {
      const { session } = yield* Cluster.Connection
      const error = yield* Effect.flip(session({ session: "user-42", patience: "500 millis" }))
      assert.strictEqual(error.message, "no host has answered for session user-42 within 500ms")
      assert.strictEqual(
        (yield* Effect.flip(session({ session: "x".repeat(256) }))).message,
        "the name of a session has 1 to 255 characters"
      )
    }).pipe(
      Effect.provide(Layer.provide(Cluster.layerConnection(), Layer.unwrap(Database.fresh))),
      Effect.scoped
    ))
})
