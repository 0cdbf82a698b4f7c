/** Durable sessions: what is there after the end of a process. */
import { assert, describe, it } from "@effect/vitest"
import type { Isolate } from "effect-code-mode/Isolate"
import * as Store from "effect-code-mode/Store"
import * as V8 from "effect-code-mode/V8"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import { type Kill, killable, makeWorld, open, textsOf, type World } from "./Harness.ts"

/** All processes of a test share its lanes in waiting, of which each takes its own. */
const makeEngine = Effect.map(Layer.build(V8.layer({ warmLanes: 2, warmIsolates: 1 })), Layer.succeedContext)

const makeStore = Effect.map(Layer.build(Layer.fresh(Store.layerMemory())), Context.get(Store.Store))

const source = `
  const random = Math.random()
  const answers = []
  for (let i = 0; i < 3; i++) answers.push(await tools.again({ i }))
  text(answers)
  notify("half")
  text((await Promise.all([tools.again(1), tools.again(2)])).map(({ again }) => again))
  const began = Date.now()
  await new Promise((resolve) => setTimeout(resolve, 5))
  text(Date.now() - began >= 5)
  try { text(await tools.once("x")) } catch (error) { text("lost: " + error) }
  text(random === (await tools.again(random)).again)
  store("sum", answers.length)
  notify("end")`

/** One process: it runs the cell of a key, unless it is killed before. */
const process = (store: Store.Store["Service"], world: World, engine: Layer.Layer<Isolate>) =>
  Effect.scoped(Effect.gen(function*() {
    const session = yield* open(store, world, engine)
    const { initial } = yield* session.execute(
      { callId: "call", source, idempotencyKey: "task" },
      { idempotencyKey: "first" }
    )
    const event = yield* initial
    return { event, stored: yield* session.storedValues }
  }))

describe("a durable session", () => {
  it.live("runs a cell to its end, and has its outcome afterwards", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const store = yield* makeStore
      const engine = yield* makeEngine
      const { event, stored } = yield* process(store, world, engine)
      assert.deepStrictEqual(textsOf(event), [
        `[{"again":{"i":0}},{"again":{"i":1}},{"again":{"i":2}}]`,
        "[1,2]",
        "true",
        `{"once":"x"}`,
        "true"
      ])
      assert.deepStrictEqual(event._tag === "Completed" && event.error, undefined)
      assert.deepStrictEqual(stored, { sum: 3 })
      assert.deepStrictEqual(world.notified, [{ sequence: 1, text: "half" }, { sequence: 2, text: "end" }])
      const performed = world.performed.length
      assert.deepStrictEqual(yield* process(store, world, engine), { event, stored })
      assert.strictEqual(world.performed.length, performed)
    }).pipe(Effect.scoped))

  it.live("does what an uninterrupted one does, wherever its process ends", () =>
    Effect.gen(function*() {
      const engine = yield* makeEngine
      const counter = killable(yield* makeStore, undefined)
      const { event: expected } = yield* process(counter.store, makeWorld(), engine)
      const appends = counter.appends()
      assert.isAbove(appends, 8)
      const kills = Array.from({ length: appends }, (_, index) => index + 1).flatMap((at) => [
        { at, isKept: false },
        { at, isKept: true }
      ])
      let replays = 0
      const trial = Effect.fnUntraced(function*(kill: Kill) {
        const world = makeWorld()
        const store = yield* makeStore
        const dying = killable(store, kill)
        yield* Effect.raceFirst(
          Effect.ignoreCause(process(dying.store, world, engine)),
          Effect.andThen(dying.killed, Effect.sleep("500 millis"))
        )
        const registry = new Map()
        const { event, stored } = yield* Effect.timeout(process(store, world, engine), "30 seconds").pipe(
          Effect.provideService(Metric.MetricRegistry, registry)
        )
        const counted = yield* Effect.provideService(PrometheusMetrics.format(), Metric.MetricRegistry, registry)
        replays += Number(/replays\{outcome="Succeeded"\} (\d+)/.exec(counted)?.[1] ?? 0)
        const what = JSON.stringify(kill)
        assert.notMatch(counted, /replays\{outcome="Failed"/, what)
        assert.notMatch(counted, /cells_live [-1-9]/, what)
        assert.deepStrictEqual(
          textsOf(event).map((text, place) => place === 3 && text.startsWith("lost: ") ? `{"once":"x"}` : text),
          textsOf(expected),
          what
        )
        assert.deepStrictEqual(stored, { sum: 3 }, what)
        assert.isAtMost(world.performed.filter(({ tool }) => tool === "once").length, 1, what)
        assert.deepStrictEqual(new Set(world.notified.map(({ sequence }) => sequence)), new Set([1, 2]), what)
      })
      yield* Effect.forEach(kills, trial, { concurrency: 4, discard: true })
      assert.isAbove(replays, 8)
    }).pipe(Effect.scoped))
})
