import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { folder, run, startCommand } from "./Process.ts"

/** A folder with a cell that takes some time after its first line, and the flags to run it. */
const home = (millis: number) =>
  Effect.map(folder, (folder) => {
    const cell = join(folder, "cell.js")
    writeFileSync(
      cell,
      `
    text("run " + (load("runs") ?? 0))
    store("runs", (load("runs") ?? 0) + 1)
    await new Promise((resolve) => setTimeout(resolve, ${millis}))
    text("done")
    `
    )
    const file = join(folder, "runs.db")
    return { cell, file, args: ["run", cell, "--durable", file] }
  })

describe("effect-code-mode run --durable", () => {
  it.live("goes on with a cell whose process was killed, and keeps what cells store", () =>
    Effect.gen(function*() {
      const { args } = yield* home(3000)
      const first = yield* startCommand(args)
      yield* first.printed("run 0\n")
      first.child.kill("SIGKILL")
      yield* first.result
      const second = yield* run(args)
      assert.deepStrictEqual([second.status, second.stdout], [0, "run 0\ndone\n"])
      assert.match(second.stderr, /^going on with cell [a-z\d]{16}, made (?:now|\d+ seconds? ago)\n$/)
      const third = yield* run(args)
      assert.deepStrictEqual([third.stdout, third.stderr], ["run 1\ndone\n", ""])
    }))

  it.live("leaves a cell where it is when it is interrupted, for sessions resume too", () =>
    Effect.gen(function*() {
      const { args, file } = yield* home(3000)
      const first = yield* startCommand(args)
      yield* first.printed("run 0\n")
      first.child.kill("SIGINT")
      const { status, stderr } = yield* first.result
      assert.deepStrictEqual([status, stderr], [
        130,
        `effect-code-mode: ${file} keeps the cell; the same command goes on with it\n`
      ])
      const resume = ["sessions", "resume", "run", "--store", file]
      const resumed = yield* run(resume)
      assert.deepStrictEqual([resumed.status, resumed.stdout, resumed.stderr], [0, "run 0\ndone\n", ""])
      const again = yield* run(resume)
      assert.deepStrictEqual([again.status, again.stderr], [
        2,
        "effect-code-mode: session run has no cells to go on with\n"
      ])
    }))

  it.live("says that another process has the session", () =>
    Effect.gen(function*() {
      const { args } = yield* home(600_000)
      const first = yield* startCommand(args)
      yield* first.printed("run 0\n")
      const second = yield* run(args)
      assert.strictEqual(second.status, 2)
      assert.match(second.stderr, /^effect-code-mode: another process has session run: process \d+ on \S+\n$/)
    }))

  it.live("goes on after --once", () =>
    Effect.gen(function*() {
      const { args, cell, file } = yield* home(3000)
      writeFileSync(
        cell,
        "text('first'); yield_control(); await new Promise((resolve) => setTimeout(resolve, 500)); text('done')"
      )
      const first = yield* run([...args, "--yield-after", "1m", "--once"])
      assert.deepStrictEqual([first.status, first.stdout], [3, "first\n"])
      assert.include(first.stderr, `${file} keeps the cell`)
      const second = yield* run(args)
      assert.deepStrictEqual([second.status, second.stdout], [0, "done\n"])
    }))

  it.live("tells how a cell failed", () =>
    Effect.gen(function*() {
      const { cell, file } = yield* home(3000)
      writeFileSync(cell, "await new Promise((resolve) => setTimeout(resolve, 500))\nthrow new Error(\"no\")")
      const first = yield* run(["run", cell, "--durable", file, "--yield-after", "10ms", "--once"])
      assert.strictEqual(first.status, 3)
      const resumed = yield* run(["sessions", "resume", "run", "--store", file])
      assert.strictEqual(resumed.status, 1)
      assert.match(resumed.stderr, /^Error: no\n[^]*\n\ncell [a-z\d]{16}:2:7\n/)
    }))

  it.live("does not keep stored values twice", () =>
    Effect.gen(function*() {
      const { args } = yield* home(3000)
      const { status, stderr } = yield* run([...args, "--session", "notes.json"])
      assert.strictEqual(status, 2)
      assert.include(stderr, "--durable keeps what cells store, as --session does: one of them is enough")
    }))
})
