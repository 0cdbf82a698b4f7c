/** A command's first lane, started before there is a pool to take it. */
import { assert, describe, it } from "@effect/vitest"
import { Isolate } from "effect-code-mode/Isolate"
import * as FirstLane from "effect-code-mode/isolate/FirstLane"
import * as V8 from "effect-code-mode/V8"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { existsSync, readFileSync } from "node:fs"
import * as Lanes from "../hostile/Lanes.ts"
import { run, until } from "./harness.ts"

/** Runs a cell on a fresh engine, and gives the lanes that there are then. */
const runOn = (options: V8.Options) =>
  Effect.gen(function*() {
    const lease = yield* Effect.flatMap(Isolate, (isolate) => isolate.lease)
    assert.deepStrictEqual((yield* run(lease, "text(6 * 7)")).texts, ["42"])
    return Lanes.lanesOf(process.pid)
  }).pipe(Effect.scoped, Effect.provide(Layer.fresh(V8.layer({ warmLanes: 0, ...options }))))

const startFirst = Effect.gen(function*() {
  yield* until(() => Lanes.lanesOf(process.pid).length === 0)
  FirstLane.start()
  // A process has no command line for a moment while `setpriv` becomes `node` in it.
  yield* until(() => Lanes.lanesOf(process.pid).length === 1)
  return Lanes.lanesOf(process.pid)[0]!
})

describe("the first lane of a command", () => {
  it.live("is what the first session runs on, confined as any other", () =>
    Effect.gen(function*() {
      const lane = yield* startFirst
      const status = () => readFileSync(`/proc/${lane}/oom_score_adj`, "utf8").trim()
      yield* until(() => process.platform !== "linux" || status() === "1000")
      assert.deepStrictEqual(yield* runOn({}), [lane])
      assert.isFalse(Lanes.isAlive(lane))
    }))

  it.live("is ended where the engine wants another one", () =>
    Effect.gen(function*() {
      const lane = yield* startFirst
      assert.notInclude(yield* runOn({ codeGeneration: false }), lane)
      yield* until(() => !Lanes.isAlive(lane))
    }))

  it.live("is not taken once it has ended", () =>
    Effect.gen(function*() {
      const lane = yield* startFirst
      process.kill(lane, "SIGKILL")
      // Until this process has heard of its end.
      yield* until(() => !existsSync(`/proc/${lane}`))
      assert.notInclude(yield* runOn({}), lane)
    }))
})
