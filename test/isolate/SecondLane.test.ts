/** When a session has a second lane, what it is for, and when it goes again. */
import { assert, describe, it } from "@effect/vitest"
import type { IsolateEvent, IsolateHandle, Lease } from "effect-code-mode/Isolate"
import { Kind, makeReader } from "effect-code-mode/isolate/Frames"
import * as LaneChild from "effect-code-mode/isolate/LaneChild"
import * as LaneLease from "effect-code-mode/isolate/LaneLease"
import * as LanePool from "effect-code-mode/isolate/LanePool"
import type { ToolCallId } from "effect-code-mode/Protocol"
import * as V8 from "effect-code-mode/V8"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Lanes from "../hostile/Lanes.ts"
import { hear, hearUntil, program, run, until } from "./harness.ts"

const isStarted = (event: IsolateEvent) => event._tag === "Started"
const isCalling = (event: IsolateEvent) => event._tag === "ToolCalls"
const call = "tool-1" as ToolCallId

/** A pool on two processors, and how many of its lanes have come up. */
const openPool = Effect.fnUntraced(function*(options: V8.Options) {
  const resolved = V8.resolve({ maxLanes: 8, ...options })
  let ready = 0
  const pool = yield* LanePool.make({
    ...resolved,
    processors: 2,
    launch: (confinement) => {
      const child = LaneChild.start(LaneChild.findProgram(resolved), confinement)
      child.socket.on("data", makeReader((_, kind) => void (ready += kind === Kind.Ready ? 1 : 0)))
      return child
    }
  })
  return {
    pool,
    lease: LaneLease.make(pool, () => Effect.void),
    ready: () => ready
  }
})

const processes = (lease: Lease) => lease.processes!()

const startCell = Effect.fnUntraced(function*(lease: Lease, source: string) {
  const handle = yield* lease.start(program(source))
  yield* hearUntil(handle, isStarted)
  return handle
})

const waiting = "text(await tools.hold())"

/** Starts so many cells at once that wait for a tool. */
const burst = (lease: Lease, cells: number) =>
  Effect.forEach(
    Array.from({ length: cells }),
    () => Effect.tap(lease.start(program(waiting)), (handle) => hearUntil(handle, isCalling)),
    { concurrency: "unbounded" }
  )

/** Starts busy cells that no lane of two processors has room beside. */
const makeBusy = Effect.fnUntraced(function*(lease: Lease) {
  const cells = yield* Effect.replicateEffect(startCell(lease, "for (;;);"), 2)
  yield* until(() => cells.every((cell) => cell.isBusy()))
  return cells
})

/** A session that has run a cell, in a pool that has a lane more ready. */
const openSession = Effect.gen(function*() {
  const pool = yield* openPool({ warmLanes: 1 })
  const lease = yield* pool.lease
  yield* run(lease, "text(1)")
  yield* until(() => pool.ready() === 2)
  return { pool, lease, first: processes(lease)[0]! }
})

/** Ends those that still live, with what they wait for. */
const answer = Effect.fnUntraced(function*(cells: ReadonlyArray<IsolateHandle>) {
  cells.forEach((cell) => cell.resolve(call, "\"done\""))
  const heard = yield* Effect.forEach(cells, (cell) => hear(cell, []))
  return heard.map(({ finished, texts }) => finished ? texts.join() : "lost")
})

const few = 16
const many = 64

describe("cells that come faster than a lane begins with them", () => {
  it.live("are divided between two, one of which goes once it has none", () =>
    Effect.gen(function*() {
      const { first, lease } = yield* openSession
      const cells = yield* burst(lease, many)
      assert.strictEqual(processes(lease).length, 2)
      assert.isFalse(cells.some((cell) => cell.isDegraded()))
      assert.deepStrictEqual(new Set(yield* answer(cells)), new Set(["done"]))
      yield* until(() => processes(lease).length === 1)
      assert.deepStrictEqual(processes(lease), [first])
      assert.deepStrictEqual((yield* run(lease, "text(1)")).texts, ["1"])
      assert.deepStrictEqual(processes(lease), [first])
    }))

  it.live("stay on one where they are few", () =>
    Effect.gen(function*() {
      const { first, lease } = yield* openSession
      const cells = yield* burst(lease, few)
      assert.deepStrictEqual(processes(lease), [first])
      assert.deepStrictEqual(new Set(yield* answer(cells)), new Set(["done"]))
    }))

  it.live("are lost with the one that they are on, and no others are", () =>
    Effect.gen(function*() {
      const { first, lease } = yield* openSession
      const cells = yield* burst(lease, many)
      const second = processes(lease).find((pid) => pid !== first)!
      process.kill(second, "SIGKILL")
      yield* until(() => !Lanes.isAlive(second))
      const ends = yield* answer(cells)
      const done = ends.filter((end) => end === "done").length
      assert.isAtLeast(done, many / 2)
      assert.isBelow(done, many)
      assert.strictEqual(ends.filter((end) => end === "lost").length, many - done)
      assert.deepStrictEqual((yield* run(lease, "text(1)")).texts, ["1"])
      yield* until(() => processes(lease).length === 1)
      assert.deepStrictEqual(processes(lease), [first])
    }))

  it.live("keep the second one and not the first, where only that has some left", () =>
    Effect.gen(function*() {
      const { first, lease } = yield* openSession
      const cells = yield* burst(lease, many)
      const second = processes(lease).find((pid) => pid !== first)!
      const left = cells[few]!
      yield* answer(cells.filter((cell) => cell !== left))
      yield* until(() => processes(lease).length === 1)
      assert.deepStrictEqual(processes(lease), [second])
      assert.deepStrictEqual((yield* run(lease, "text(1)")).texts, ["1"])
      assert.deepStrictEqual(yield* answer([left]), ["done"])
      assert.deepStrictEqual(processes(lease), [second])
    }))

  it.live("end with their session on both", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { lease } = yield* Scope.provide(openSession, scope)
      const cells = yield* burst(lease, many)
      const lanes = processes(lease)
      assert.strictEqual(lanes.length, 2)
      yield* Scope.close(scope, Exit.void)
      yield* Effect.forEach(cells, (cell) => Queue.collect(cell.events))
      yield* until(() => !lanes.some(Lanes.isAlive))
    }))

  it.live.each<[string, V8.Options]>([
    ["none is ready", { warmLanes: 0 }],
    ["nothing may be shared", { strictIsolation: true }],
    ["half of the lanes are in use", { maxLanes: 2 }]
  ])("stay on one where %s", ([, options]) =>
    Effect.gen(function*() {
      const { lease: open, ready } = yield* openPool({ warmLanes: 1, ...options })
      const lease = yield* open
      yield* run(lease, "text(1)")
      yield* until(() => ready() === 1 + (options.warmLanes ?? 1))
      const first = processes(lease)
      yield* burst(lease, many)
      assert.deepStrictEqual(processes(lease), first)
    }))

  it.live("stay on one where each processor has a lane in use", () =>
    Effect.gen(function*() {
      const { lease, pool } = yield* openSession
      const other = yield* pool.lease
      yield* run(other, "text(1)")
      yield* until(() => pool.ready() === 3)
      const first = processes(lease)
      yield* burst(lease, many)
      assert.deepStrictEqual(processes(lease), first)
    }))
})

describe.runIf(process.platform === "linux")("a second lane", () => {
  it.live("is none where the memory is taken", () =>
    Effect.gen(function*() {
      const { pool } = yield* openPool({ warmLanes: 0, maxMemoryBytes: Math.floor(process.memoryUsage.rss() / 2) })
      pool.acquireUnsafe()
      yield* until(() => !pool.hasRoom())
      assert.isUndefined(pool.acquireSecond("busy"))
    }))
})

describe("cells that come while others are busy", () => {
  it.live("run beside them until another lane is up, and then there", () =>
    Effect.gen(function*() {
      const { lease: open, ready } = yield* openPool({ warmLanes: 0 })
      const lease = yield* open
      const busy = yield* makeBusy(lease)
      const [first] = processes(lease)
      assert.deepStrictEqual((yield* run(lease, "text(1)")).texts, ["1"])
      assert.strictEqual(processes(lease).length, 2)
      yield* until(() => ready() === 2)
      const cell = yield* lease.start(program(waiting))
      yield* hearUntil(cell, isCalling)
      process.kill(first!, "SIGKILL")
      yield* Effect.forEach(busy, (cell) => Queue.collect(cell.events))
      assert.deepStrictEqual(yield* answer([cell]), ["done"])
      // It is the session's only one now.
      assert.deepStrictEqual((yield* run(lease, "text(2)")).texts, ["2"])
      assert.strictEqual(ready(), 2)
      assert.strictEqual(processes(lease).length, 1)
    }))

  it.live("have no second lane once those have ended", () =>
    Effect.gen(function*() {
      const { first, lease } = yield* openSession
      const busy = yield* makeBusy(lease)
      assert.deepStrictEqual((yield* run(lease, "text(1)")).texts, ["1"])
      assert.strictEqual(processes(lease).length, 2)
      busy.forEach((cell) => cell.stop())
      yield* until(() => processes(lease).length === 1)
      assert.deepStrictEqual(processes(lease), [first])
    }))

  it.live("stay with them where nothing may be shared", () =>
    Effect.gen(function*() {
      const { lease: open } = yield* openPool({ warmLanes: 1, strictIsolation: true })
      const lease = yield* open
      yield* makeBusy(lease)
      const first = processes(lease)
      assert.deepStrictEqual((yield* run(lease, "text(1)")).texts, ["1"])
      assert.deepStrictEqual(processes(lease), first)
    }))
})
