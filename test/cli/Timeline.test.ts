/** What `run` shows, and writes, of the calls of a cell. */
import { assert, describe, it } from "@effect/vitest"
import * as CellRecord from "effect-code-mode/bin/report/CellRecord"
import * as ChromeTrace from "effect-code-mode/bin/report/ChromeTrace"
import * as Timeline from "effect-code-mode/bin/report/Timeline"
import { type CallEvent, CellId, ToolCallId } from "effect-code-mode/Protocol"
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { folder, run, runCell, server } from "./Process.ts"

const cellId = CellId.make("c")

type Outcome = Extract<CallEvent, { readonly _tag: "CallEnded" }>["outcome"]

/** A call that is made at a time, starts and ends. */
interface Made {
  readonly id: string
  readonly tool?: string
  readonly at: number
  readonly queued?: number
  readonly ends: number
  readonly approval?: readonly [from: number, to: number]
  readonly outcome?: Outcome
}

const record = (calls: ReadonlyArray<Made>, end: number, outcome: "Completed" | "Failed" = "Completed") => {
  const recorder = new CellRecord.Recorder(cellId)
  recorder.add({ _tag: "Admitted", cellId }, 1000)
  for (const { approval, at, ends, id, outcome = "Succeeded", queued = 0, tool = "tool" } of calls) {
    const of = { cellId, toolCallId: ToolCallId.make(id), tool }
    const started = 1000 + at + queued
    if (outcome !== "NotStarted") {
      recorder.add({ _tag: "CallStarted", ...of, atMillis: started, queuedMillis: queued, inputBytes: 3 }, 0)
    }
    if (approval !== undefined) {
      recorder.add({ _tag: "CallWaits", ...of, atMillis: 1000 + approval[0] }, 0)
      recorder.add({ _tag: "CallGoesOn", ...of, atMillis: 1000 + approval[1] }, 0)
    }
    recorder.add({
      _tag: "CallEnded",
      ...of,
      atMillis: 1000 + ends,
      outcome,
      queuedMillis: outcome === "NotStarted" ? ends - at : queued,
      approvalMillis: 0,
      durationMillis: 0,
      outputBytes: 5
    }, 0)
  }
  recorder.add({ _tag: "Settled", cellId, outcome }, 1000 + end)
  recorder.add({ _tag: "Closed", cellId }, 1000 + end)
  return recorder.toRecord()
}

const lines = (of: CellRecord.CellRecord, columns: number) => Timeline.render(of, columns).toString().split("\n")

const many = (count: number, tools: number) =>
  record(
    Array.from({ length: count }, (_, index) => ({
      id: `tool-${index}`,
      tool: `t${index % tools}`,
      at: index,
      ends: index + 10,
      outcome: index === 0 ? "Failed" : "Succeeded"
    })),
    count + 10
  )

describe("a timeline", () => {
  const some = record(
    [
      { id: "1", at: 0, ends: 50 },
      { id: "2", tool: "long-name", at: 50, queued: 20, ends: 100, outcome: "Failed" },
      { id: "3", at: 0, ends: 100, approval: [20, 80] },
      { id: "4", at: 90, ends: 100, outcome: "NotStarted" },
      { id: "5", at: 30, ends: 30, outcome: "Interrupted" }
    ],
    100,
    "Failed"
  )

  it("has a bar for each call, in the order in which they were made, in the columns that there are", () => {
    assert.deepStrictEqual(lines(some, 60), [
      "cell that failed: 100 ms, 5 calls",
      "tool       |================               |  50 ms",
      "tool       |======...................======|  100 ms",
      "tool       |         =                     |  0 ms stopped",
      "long_name  |               .......=========|  50 ms failed",
      "tool       |                           ....|  10 ms not made"
    ])
    for (const columns of [20, 40, 200]) {
      assert.isTrue(lines(some, columns).every((line) => line.length <= columns), String(columns))
    }
  })

  it("has a bar for each tool where there are many calls, and a screen of them at most", () => {
    const few = lines(many(5000, 2), 50)
    assert.deepStrictEqual(few, [
      "cell that completed: 5.0 s, 5,000 calls",
      "t0  |=====================|  2,500 calls, 1 failed",
      "t1  |=====================|  2,500 calls"
    ])
    const all = lines(many(5000, 1000), 80)
    assert.lengthOf(all, 32)
    assert.strictEqual(all.at(-1), "and 970 other tools")
  })

  it("knows how many calls it does not have", () => {
    const of = many(CellRecord.maxCalls + 5, 1)
    assert.lengthOf(of.calls, CellRecord.maxCalls)
    assert.strictEqual(lines(of, 80).at(-1), "and 5 other calls")
    assert.strictEqual(JSON.parse(ChromeTrace.toJson(of)).otherData.omittedCalls, 5)
  })

  it("of a cell without calls says so", () => {
    assert.deepStrictEqual(lines(record([], 1500), 80), ["cell that completed: 1.5 s, 0 calls"])
  })
})

/** Slices of a track contain each other, or are apart. */
const assertNested = (events: ReadonlyArray<any>) => {
  const slices = events.filter(({ ph }) => ph === "X")
  for (const tid of new Set(slices.map(({ tid }) => tid))) {
    const open: Array<number> = []
    for (
      const { dur, ts } of slices.filter((each) => each.tid === tid).toSorted((a, b) => a.ts - b.ts || b.dur - a.dur)
    ) {
      while (open.length > 0 && open.at(-1)! <= ts) {
        open.pop()
      }
      assert.isTrue(open.length === 0 || ts + dur <= open.at(-1)!, `track ${tid} at ${ts}`)
      open.push(ts + dur)
    }
  }
}

/** What the importers of Chrome's format ask for. */
const assertTrace = (text: string): ReadonlyArray<any> => {
  const { displayTimeUnit, traceEvents } = JSON.parse(text)
  assert.strictEqual(displayTimeUnit, "ms")
  for (const { args, dur, name, ph, pid, tid, ts } of traceEvents) {
    assert.include(["M", "X"], ph)
    assert.isTrue(
      typeof name === "string" && Number.isInteger(pid) && Number.isInteger(tid) && typeof args === "object"
    )
    assert.isTrue(ph === "M" || Number.isInteger(ts) && ts >= 0 && Number.isInteger(dur) && dur >= 0)
  }
  assertNested(traceEvents)
  return traceEvents
}

describe("a trace", () => {
  it("has the cell, its calls and what they waited for, each on a track that is free", () => {
    const events = assertTrace(ChromeTrace.toJson(record([
      { id: "1", at: 0, ends: 50 },
      { id: "2", at: 10, queued: 20, ends: 40, approval: [32, 38] },
      { id: "3", at: 50, ends: 60, outcome: "Failed" },
      { id: "4", at: 50, ends: 50 }
    ], 100)))
    assert.deepStrictEqual(
      events.filter(({ ph }) => ph === "X").map(({ dur, name, tid, ts }) => [tid, name, ts, dur]),
      [
        [0, "cell c", 0, 100_000],
        [1, "tool", 0, 50_000],
        [2, "tool", 10_000, 30_000],
        [2, "waits for its turn", 10_000, 20_000],
        [2, "waits for an approval", 32_000, 6000],
        [1, "tool", 50_000, 10_000],
        [2, "tool", 50_000, 0]
      ]
    )
    assert.deepInclude(events.find(({ args }) => args.id === "3").args, {
      outcome: "Failed",
      inputBytes: 3,
      outputBytes: 5
    })
  })

  it("of many calls is one, too", () => {
    const events = assertTrace(ChromeTrace.toJson(many(5000, 7)))
    assert.strictEqual(new Set(events.map(({ tid }) => tid)).size, 11)
  })
})

describe("run", () => {
  it.live("shows and writes them of a cell that fails, too, without values and without colours", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trace.json")
      const { status, stderr, stdout } = yield* runCell(
        `text((await tools.mcp__s__say_it({ it: "s3cr3t" })).content.length)
        await tools.mcp__s__refuse({}).catch(() => {})
        throw new Error("no")`,
        "--mcp",
        `s=${server()}`,
        "--timeline",
        "--trace",
        path
      )
      assert.deepStrictEqual([status, stdout], [1, "1\n"])
      assert.match(
        stderr,
        /cell that failed: [\d.]+ m?s, 2 calls\nmcp__s__say_it  \|[ =]+\|  \d+ ms\nmcp__s__refuse  \|[ =]+\|  \d+ ms failed\n/
      )
      // oxlint-disable-next-line no-control-regex -- it is what this is about
      assert.notMatch(stderr, /\x1b/)
      const events = assertTrace(readFileSync(path, "utf8"))
      assert.deepStrictEqual(
        events.filter(({ cat }) => cat === "call").map(({ args, name }) => [name, args.id, args.outcome]),
        [["mcp__s__say-it", "tool-1", "Succeeded"], ["mcp__s__refuse", "tool-2", "Failed"]]
      )
      assert.strictEqual(events.find(({ cat }) => cat === "cell").args.outcome, "Failed")
      assert.notMatch(JSON.stringify(events), /s3cr3t/)
    }))

  it.live("begins no cell whose trace cannot be written", () =>
    Effect.gen(function*() {
      const home = yield* folder
      const missing = join(home, "none", "trace.json")
      for (const [path, reason] of [[missing, "there is no such file or folder"], [home, "it is a folder"]] as const) {
        assert.deepStrictEqual(yield* runCell("text(1)", "--trace", path), {
          status: 2,
          stdout: "",
          stderr: `effect-code-mode: --trace ${path}: ${reason}\n`
        })
      }
      assert.deepStrictEqual(readdirSync(home), [])
    }))
})

describe("repl", () => {
  it.live("shows a timeline of each cell that is over", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* run(["repl", "--timeline", "--mcp", `s=${server()}`], {
        stdin: "(await tools.mcp__s__add({ a: 1, b: 2 })).content.length\nnull.a\n"
      })
      assert.deepStrictEqual([status, stdout], [0, "1\n"])
      assert.match(
        stderr,
        /^mcp__s__add .* ok\ncell that completed: [\d.]+ m?s, 1 call\nmcp__s__add  \|[ =]+\|  \d+ ms\nTypeError[^]+\ncell that failed: [\d.]+ m?s, 0 calls\n$/
      )
    }))
})
