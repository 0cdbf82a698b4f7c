/** Lanes that say what no lane may say, against a host with a small heap, and another session that goes on meanwhile. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"
import { start } from "../cli/Process.ts"
import { type Case, cases } from "./forged/cases.ts"

const path = (name: string) => fileURLToPath(new URL(`forged/${name}`, import.meta.url))

const heapMebibytes = 128

interface Played {
  readonly name: string
  readonly outcome: string
  /** What became of the next cell of the session, where there was one. */
  readonly next?: string
  readonly lines: ReadonlyArray<string>
  /** Whether the other session's cell called its tool meanwhile. */
  readonly goesOn: boolean
}

interface Summary {
  readonly bystander: { readonly items: ReadonlyArray<{ readonly text: string }> }
  readonly ticksInChance: number
  readonly said: number
  readonly outcomes: Readonly<Record<string, number>>
  readonly lines: Readonly<Record<string, number>>
}

const play = Effect.gen(function*() {
  const args = [`--max-old-space-size=${heapMebibytes}`, "--import", path("../../sources.ts"), path("host.ts")]
  const { result } = yield* start(process.execPath, args)
  const { status, stderr, stdout } = yield* result
  assert.deepStrictEqual([status, stderr], [0, ""])
  const lines = stdout.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line))
  return {
    played: new Map(lines.slice(0, -1).map((line: Played) => [line.name, line])),
    summary: lines.at(-1) as Summary
  }
}).pipe(Effect.scoped, Effect.runPromise)

const timeout = 240_000

const isBroken = /^Warn code mode lane (\d+|undefined) broke its contract and was ended: /

const contract = ({ error, logs }: Case) => ({
  error: error === undefined || error === "well" ? /^well$/ : error,
  logs: logs === undefined || logs === "nothing" ? [] : [logs]
})

describe("a forged lane", () => {
  it.live.each(cases)("$name", (case_) =>
    Effect.gen(function*() {
      const { played } = yield* Effect.promise(() => play)
      const { lines, next, outcome } = played.get(case_.name)!
      const { error, logs } = contract(case_)
      assert.match(outcome, error)
      assert.strictEqual(lines.length, logs.length, lines.join("\n"))
      logs.forEach((what, index) => {
        assert.match(lines[index]!, isBroken)
        assert.match(lines[index]!, what)
      })
      assert.oneOf(next, [undefined, "well"])
    }), timeout)

  it.live("says anything at all, 20,000 times, and its host stays", () =>
    Effect.gen(function*() {
      const { lines, outcomes, said } = (yield* Effect.promise(() => play)).summary
      assert.isAtLeast(said, 20_000)
      for (const outcome of Object.keys(outcomes)) {
        assert.match(
          outcome,
          /^well$|^ScriptError |^LimitExceeded |^IsolateLost (the lane broke its contract|exec runtime ended unexpectedly)$/
        )
      }
      assert.isAbove(outcomes["IsolateLost the lane broke its contract"]!, 1000)
      assert.isAbove(outcomes["well"]!, 100)
      for (const line of Object.keys(lines)) {
        assert.match(line, isBroken)
      }
      assert.isAbove(Object.keys(lines).length, 20, "ways to break the contract")
    }), timeout)

  it.live("is no concern of another session's cell", () =>
    Effect.gen(function*() {
      const { played, summary: { bystander, ticksInChance } } = yield* Effect.promise(() => play)
      assert.deepStrictEqual(bystander.items, [{ type: "input_text", text: "still here" }] as never)
      assert.deepStrictEqual(Array.from(played.values()).filter(({ goesOn }) => !goesOn), [])
      assert.isAbove(ticksInChance, 20)
    }), timeout)
})
