/** The way of records into a store. */
import { assert, describe, it } from "@effect/vitest"
import { Journal } from "effect-code-mode/durable/Journal"
import * as Protocol from "effect-code-mode/Protocol"
import * as Store from "effect-code-mode/Store"
import { Meter } from "effect-code-mode/telemetry/Meter"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"

const fenced = new Protocol.Fenced({ session: "s", epoch: Protocol.Epoch.make(1) })
const record: Store.Record = { _tag: "Opened", key: "k" }

describe("a journal", () => {
  it.effect("answers what was under way, and what waited behind it, where it hears by something else that it is lost", () =>
    Effect.gen(function*() {
      const store = yield* Store.Store
      const begun = yield* Deferred.make<void>()
      const refused = yield* Deferred.make<void>()
      const journal = new Journal({
        session: "s",
        epoch: fenced.epoch,
        store: {
          ...store,
          append: () =>
            Deferred.succeed(begun, undefined).pipe(
              Effect.andThen(Deferred.await(refused)),
              Effect.andThen(Effect.fail(fenced))
            )
        },
        meter: new Meter(Context.empty()),
        fork: Effect.runFork
      })
      const write = Effect.forkChild(Effect.exit(journal.write([record])), { startImmediately: true })
      const writes = [yield* write, yield* write]
      yield* Deferred.await(begun)
      const lost = new Protocol.SessionSuspended({ session: "s" })
      journal.lose(lost)
      yield* Deferred.succeed(refused, undefined)
      for (const written of writes) {
        const exit = yield* Fiber.join(written)
        assert.isTrue(Exit.isFailure(exit) && Cause.squash(exit.cause) === lost)
      }
      yield* journal.drain
    }).pipe(Effect.provide(Store.layerMemory()), Effect.timeout("30 seconds")))
})
