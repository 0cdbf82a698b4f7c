/** A command's first lane, started before there is a pool to take it. */
import { assert, describe, it } from "@effect/vitest"
import { Isolate } from "effect-code-mode/Isolate"
import * as FirstLane from "effect-code-mode/isolate/FirstLane"
import * as LaneChild from "effect-code-mode/isolate/LaneChild"
import * as V8 from "effect-code-mode/V8"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
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
  let lanes: ReadonlyArray<number> = []
  // A process has no command line for a moment while `setpriv` becomes `node` in it.
  yield* until(() => {
    lanes = Lanes.lanesOf(process.pid)
    return lanes.length === 1
  })
  return lanes[0]!
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

  it.live.runIf(process.getuid?.() === 0 && existsSync("/usr/bin/setpriv"))(
    "is not taken where its user could not read what a lane reads",
    () =>
      Effect.gen(function*() {
        yield* until(() => Lanes.lanesOf(process.pid).length === 0)
        const folder = mkdtempSync(join(tmpdir(), "effect-code-mode-"))
        const file = join(folder, "file")
        writeFileSync(file, "")
        const program = LaneChild.findProgram(FirstLane.defaults)
        FirstLane.start()
        // It has had no time to say anything.
        const taken = FirstLane.take({ ...program, files: [...program.files, file] })
        rmSync(folder, { recursive: true })
        assert.isUndefined(taken)
        yield* until(() => Lanes.lanesOf(process.pid).length === 0)
        FirstLane.start()
        const other = FirstLane.take(program)
        assert.isTrue(Lanes.isAlive(other!.child.pid!))
        other!.child.kill()
      })
  )
})
