import { assert, describe, it } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import { Kind } from "effect-code-mode/isolate/Frames"
import * as LanePool from "effect-code-mode/isolate/LanePool"
import * as Protocol from "effect-code-mode/Protocol"
import { Meter } from "effect-code-mode/telemetry/Meter"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryLane from "../isolate/forged/MemoryLane.ts"
import { encode } from "../isolate/forged/Script.ts"
import { finished, layer, makeCell, notify, output, toolCallId } from "../session/TestSession.ts"

/** Lets everything happen that can happen by itself. */
const settle = Effect.forEach(Array.from({ length: 30 }), () => Effect.yieldNow, { discard: true })

/** A registry of its own, so that nothing else is counted there. */
const counting = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.provideService(self, Metric.MetricRegistry, new Map())

/** What is exported, without the buckets of histograms. */
const exported = Effect.map(
  PrometheusMetrics.format(),
  (text) =>
    text.split("\n").filter((line) => line !== "" && !line.startsWith("#") && !line.includes("_bucket")).toSorted()
)

const after = Effect.fnUntraced(function*(before: ReadonlyArray<string>) {
  return (yield* exported).filter((line) => !before.includes(line))
})

describe("what is counted of a session", () => {
  it.effect("is its cells and calls, by how they ended, with times and bytes", () =>
    counting(Effect.gen(function*() {
      const invokeTool = ({ toolCallId }: Protocol.NestedToolCall) =>
        toolCallId === "deaf"
          ? Effect.uninterruptible(Effect.never)
          : toolCallId === "fails"
          ? Effect.fail(new Protocol.ToolError({ text: "no" }))
          : toolCallId === "asks"
          ? Effect.as(Delegate.awaitingApproval(Effect.sleep("10 seconds")), 1)
          : Effect.as(Effect.sleep("2 seconds"), "é")
      yield* Effect.gen(function*() {
        const { cell, isolate, session } = yield* makeCell
        yield* isolate.emit(output("abc"), notify("four"), {
          _tag: "ToolCalls",
          calls: ["works", "fails", "asks", "deaf"].map((id) => ({ id: toolCallId(id), tool: 0, input: "\"in\"" }))
        })
        assert.include(yield* exported, "effect_code_mode_cells_live 1")
        yield* TestClock.adjust("10 seconds")
        yield* settle
        yield* isolate.emit(finished())
        yield* TestClock.adjust("1 second")
        yield* session.observe(cell)
        const { cell: stopped } = yield* makeCell
        yield* session.terminate(stopped)
        const { cell: broken, isolate: other } = yield* makeCell
        yield* other.emit(finished({ error: "no" }))
        yield* session.observe(broken)
        assert.deepStrictEqual(yield* exported, [
          "effect_code_mode_bytes{content=\"input\"} 16",
          "effect_code_mode_bytes{content=\"notification\"} 4",
          "effect_code_mode_bytes{content=\"output\"} 3",
          "effect_code_mode_bytes{content=\"result\"} 5",
          "effect_code_mode_bytes{content=\"source\"} 0",
          "effect_code_mode_call_duration_seconds_count{kind=\"function\",outcome=\"Failed\"} 1",
          "effect_code_mode_call_duration_seconds_count{kind=\"function\",outcome=\"Interrupted\"} 1",
          "effect_code_mode_call_duration_seconds_count{kind=\"function\",outcome=\"Succeeded\"} 2",
          "effect_code_mode_call_duration_seconds_sum{kind=\"function\",outcome=\"Failed\"} 0",
          "effect_code_mode_call_duration_seconds_sum{kind=\"function\",outcome=\"Interrupted\"} 10.1",
          "effect_code_mode_call_duration_seconds_sum{kind=\"function\",outcome=\"Succeeded\"} 2",
          "effect_code_mode_call_wait_seconds_count{for=\"approval\"} 1",
          "effect_code_mode_call_wait_seconds_sum{for=\"approval\"} 10",
          "effect_code_mode_callbacks_abandoned 1",
          "effect_code_mode_calls{kind=\"function\",outcome=\"Failed\"} 1",
          "effect_code_mode_calls{kind=\"function\",outcome=\"Interrupted\"} 1",
          "effect_code_mode_calls{kind=\"function\",outcome=\"Succeeded\"} 2",
          "effect_code_mode_cell_duration_seconds_count{outcome=\"Completed\"} 1",
          "effect_code_mode_cell_duration_seconds_count{outcome=\"Failed\"} 1",
          "effect_code_mode_cell_duration_seconds_count{outcome=\"Terminated\"} 1",
          "effect_code_mode_cell_duration_seconds_sum{outcome=\"Completed\"} 10.1",
          "effect_code_mode_cell_duration_seconds_sum{outcome=\"Failed\"} 0",
          "effect_code_mode_cell_duration_seconds_sum{outcome=\"Terminated\"} 0",
          "effect_code_mode_cells_live 0",
          "effect_code_mode_cells{outcome=\"Completed\"} 1",
          "effect_code_mode_cells{outcome=\"Failed\"} 1",
          "effect_code_mode_cells{outcome=\"Terminated\"} 1"
        ])
      }).pipe(Effect.provide(layer({ invokeTool }), { local: true }))
    })).pipe(Effect.provideService(References.MinimumLogLevel, "None")))

  it.effect("is how long calls wait for their turn, and what was stopped before it came", () =>
    counting(Effect.gen(function*() {
      yield* Effect.gen(function*() {
        const { isolate, session } = yield* makeCell
        yield* isolate.emit({
          _tag: "ToolCalls",
          calls: ["a", "b", "c"].map((id) => ({ id: toolCallId(id), tool: 0 }))
        })
        const before = yield* exported
        yield* TestClock.adjust("3 seconds")
        yield* settle
        yield* session.shutdown
        const lines = yield* after(before)
        assert.includeMembers(lines, [
          "effect_code_mode_call_wait_seconds_count{for=\"turn\"} 1",
          "effect_code_mode_call_wait_seconds_sum{for=\"turn\"} 3",
          "effect_code_mode_calls{kind=\"function\",outcome=\"Interrupted\"} 1",
          "effect_code_mode_calls{kind=\"function\",outcome=\"NotStarted\"} 1",
          "effect_code_mode_calls{kind=\"function\",outcome=\"Succeeded\"} 1",
          "effect_code_mode_cells_live 0"
        ])
      }).pipe(Effect.provide(
        layer({
          limits: { maxToolCallsInFlight: 1 },
          invokeTool: ({ toolCallId }) => toolCallId === "a" ? Effect.as(Effect.sleep("3 seconds"), 1) : Effect.never
        }),
        { local: true }
      ))
    })))
})

describe("what is counted of lanes", () => {
  it.live("is how many were started, and how they have ended", () =>
    counting(Effect.scoped(Effect.gen(function*() {
      const lanes: Array<MemoryLane.MemoryLane> = []
      const pool = yield* LanePool.make({
        warmLanes: 0,
        warmIsolates: 0,
        maxLanes: 10,
        strictIsolation: false,
        maxMemoryBytes: Number.MAX_SAFE_INTEGER,
        killAfterMillis: 1000,
        codeGeneration: true,
        launch: () => {
          const lane = MemoryLane.make()
          lanes.push(lane)
          lane.socket.write(MemoryLane.ready)
          return lane.child
        }
      })
      const held = Array.from({ length: 4 }, pool.acquireUnsafe)
      yield* Effect.forEach(held, ({ ready }) => ready)
      assert.deepStrictEqual(yield* exported, ["effect_code_mode_lanes_started 4"])
      pool.release(held[0]!)
      held[1]!.kill("a bound")
      lanes[2]!.socket.end()
      lanes[3]!.socket.write(encode(Kind.Left, 7, Buffer.alloc(0)))
      yield* Effect.repeat(Effect.yieldNow, { until: () => held.every((lane) => !lane.isOpen()) })
      assert.deepStrictEqual(yield* exported, [
        "effect_code_mode_lanes_ended{how=\"broken\"} 1",
        "effect_code_mode_lanes_ended{how=\"crashed\"} 1",
        "effect_code_mode_lanes_ended{how=\"killed\"} 1",
        "effect_code_mode_lanes_ended{how=\"released\"} 1",
        "effect_code_mode_lanes_started 4"
      ])
    }))).pipe(Effect.provideService(References.MinimumLogLevel, "None")))
})

describe("what is counted of journals", () => {
  it.effect("is what was written to them, and what was answered from them", () =>
    counting(Effect.gen(function*() {
      const meter = new Meter(yield* Effect.context<never>())
      meter.journalAppended(3)
      meter.replayed("Succeeded")
      assert.deepStrictEqual(yield* exported, [
        "effect_code_mode_journal_appends 3",
        "effect_code_mode_replays{outcome=\"Succeeded\"} 1"
      ])
    })))
})
