/** The proof of `bench/durable` with few sessions, and what has to make it fail. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"
import * as Process from "../cli/Process.ts"

const program = fileURLToPath(new URL("../../bench/durable/prove.ts", import.meta.url))

/** How long sessions take to be there again is for a quiet machine to say. */
const prove = (...args: ReadonlyArray<string>) =>
  Effect.flatMap(
    Process.start(process.execPath, [
      program,
      "--hosts=2",
      "--sessions=3",
      "--lease=600",
      "--recovery=60000",
      ...args
    ]),
    ({ result }) => result
  )

describe("sessions whose hosts are killed and frozen", () => {
  it.live("come to what they come to when nothing happens", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* prove("--kills=4", "--freeze=1")
      assert.strictEqual(status, 0, stdout + stderr)
      assert.include(stdout, "\"kills\": 4")
      assert.include(stdout, "\"freezes\": 1")
      assert.include(stdout, "all as it should be")
    }), 120_000)

  // It ends with the first fault that it finds.
  it.live.each(
    [
      [
        "an owner of an older epoch is not refused",
        "epoch",
        ["--kills=0", "--freeze=12"],
        /appended to s\d with epoch \d+ after a claim of \d+/
      ],
      [
        "a cell that goes on has other random numbers",
        "seed",
        ["--kills=30", "--freeze=0"],
        /the cell did something else than its journal says/
      ],
      ["the delegate is asked before its call is kept", "order", ["--kills=30", "--freeze=0"], /VIOLATION/]
    ] as const
  )("do not where %s", ([, broken, faults, violation]) =>
    Effect.gen(function*() {
      const { status, stderr } = yield* prove(...faults, "--break", broken)
      assert.strictEqual(status, 1)
      assert.match(stderr, violation)
    }), 120_000)
})
