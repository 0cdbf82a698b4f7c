/** How many lanes an engine has, who gets which, and what they may take together. */
import { assert, describe, it } from "@effect/vitest"
import { Isolate, type IsolateEvent, type IsolateHandle, type Lease } from "effect-code-mode/Isolate"
import * as V8 from "effect-code-mode/V8"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import { vi } from "vitest"
import * as Lanes from "../hostile/Lanes.ts"
import * as ControlGroup from "./ControlGroup.ts"
import { hear, hearUntil, program, run, until } from "./harness.ts"

const mebibyte = 2 ** 20

const isStarted = (event: IsolateEvent) => event._tag === "Started"

/** A lease in a scope of its own. */
const openLease = Effect.gen(function*() {
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  const lease = yield* Scope.provide(Effect.flatMap(Isolate, (isolate) => isolate.lease), scope)
  return { lease, close: Scope.close(scope, Exit.void) }
})

const startCell = Effect.fnUntraced(function*(lease: Lease, source: string) {
  const handle = yield* lease.start(program(source))
  yield* hearUntil(handle, isStarted)
  return handle
})

/** Its next tool call. */
const takeCall = (handle: IsolateHandle) =>
  Effect.map(
    hearUntil(handle, (event) => event._tag === "ToolCalls"),
    (events) => events.flatMap((event) => event._tag === "ToolCalls" ? event.calls : [])[0]!.id
  )

const wait = "await tools.hold()"

/** A fresh engine, in which every lane is somebody's. */
const engine = (options?: V8.Options) => Effect.provide(Layer.fresh(V8.layer({ warmLanes: 0, ...options })))

describe("past the bound on lanes", () => {
  it.live("leases share the least loaded one, and both know", () =>
    Effect.gen(function*() {
      const [first, second, third] = [yield* openLease, yield* openLease, yield* openLease]
      const busy = [yield* startCell(first.lease, wait), yield* startCell(first.lease, wait)]
      const idle = yield* startCell(second.lease, wait)
      assert.deepStrictEqual([busy[0]!.isDegraded(), idle.isDegraded()], [false, false])

      const guest = yield* startCell(third.lease, wait)
      assert.isTrue(guest.isDegraded())
      assert.isTrue(idle.isDegraded())
      assert.isFalse(busy[0]!.isDegraded())

      // The lane's first holder goes, its guest does not.
      yield* second.close
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(Queue.collect(idle.events))))
      assert.isFalse(guest.isDegraded())
      assert.deepStrictEqual((yield* run(third.lease, "text(1)")).texts, ["1"])
      assert.isFalse(guest.isDegraded())
    }).pipe(engine({ maxLanes: 2 })))

  it.live("the end of one of them stops its own cells", () =>
    Effect.gen(function*() {
      const [host, guest] = [yield* openLease, yield* openLease]
      const stays = yield* startCell(host.lease, "text(await tools.hold())")
      const id = yield* takeCall(stays)
      const busy = yield* startCell(guest.lease, "for (;;);")
      yield* guest.close
      yield* Queue.collect(busy.events)
      // Its loop has been stopped, too.
      yield* Lanes.rest(() => Lanes.lanesOf(process.pid)).pipe(Effect.timeout("50 seconds"))
      stays.resolve(id, "\"still here\"")
      assert.deepStrictEqual((yield* hear(stays, [])).texts, ["still here"])
    }).pipe(engine({ maxLanes: 1 })))

  it.live("a guest moves to a lane of its own once there is one", () =>
    Effect.gen(function*() {
      const [host, guest] = [yield* openLease, yield* openLease]
      yield* startCell(host.lease, wait)
      const old = yield* startCell(guest.lease, wait)
      assert.isTrue(old.isDegraded())
      yield* host.close
      const [lane] = Lanes.lanesOf(process.pid)
      const third = yield* openLease
      yield* startCell(third.lease, wait)
      assert.isTrue(old.isDegraded())
      assert.deepStrictEqual(Lanes.lanesOf(process.pid), [lane!])
    }).pipe(engine({ maxLanes: 1 })))

  it.live("a lease is refused where none may be shared, unless one has no cells", () =>
    Effect.gen(function*() {
      const [first, second] = [yield* openLease, yield* openLease]
      const cell = yield* startCell(first.lease, wait)
      const refused = yield* Effect.flip(second.lease.start(program("text(1)")))
      assert.strictEqual(refused._tag, "IsolateFailure")
      assert.include(refused.message, "all 1 lanes have cells, and none may be shared")

      cell.stop()
      assert.deepStrictEqual((yield* run(second.lease, "text(1)")).texts, ["1"])
      assert.deepStrictEqual((yield* run(first.lease, "text(2)")).texts, ["2"])
      assert.isFalse(cell.isDegraded())
    }).pipe(engine({ maxLanes: 1, strictIsolation: true })))

  it.live("one that takes no more cells makes place for one that does", () =>
    Effect.gen(function*() {
      const { lease } = yield* openLease
      const waiting = yield* startCell(lease, wait)
      const stuck = yield* lease.start(program("Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)"))
      yield* until(() => stuck.isBusy())
      stuck.stop()
      const next = Effect.gen(function*() {
        const { texts } = yield* run(lease, "text(1)")
        assert.deepStrictEqual(texts, ["1"])
        assert.isAtMost(Lanes.lanesOf(process.pid).length, 1)
      })
      const ended = yield* Effect.raceFirst(Queue.collect(waiting.events), Effect.forever(next))
      assert.match(
        ended.map((event) => event._tag === "Finished" ? event.error?.text : "").join(),
        /none of the 1 that there may be was free: its place was needed/
      )
      yield* next
    }).pipe(engine({ maxLanes: 1, laneKillAfter: 50 })))

  it.live("there never are more", () =>
    Effect.gen(function*() {
      const leases = yield* Effect.replicateEffect(openLease, 12)
      const runs = yield* Effect.forEach(leases, ({ lease }) => startCell(lease, wait), { concurrency: "unbounded" })
      assert.strictEqual(runs.length, 12)
      assert.strictEqual(Lanes.lanesOf(process.pid).length, 3)
      yield* Effect.forEach(leases, ({ close }) => close)
      yield* until(() => Lanes.lanesOf(process.pid).length === 0)
    }).pipe(engine({ maxLanes: 3 })))
})

describe("a lane that is held ready", () => {
  it.live("is let go while there are many cells, and there again when they are gone", () =>
    Effect.gen(function*() {
      const { close, lease } = yield* openLease
      const starts = Array.from({ length: 128 }, () => startCell(lease, wait))
      const [first] = yield* Effect.all(starts.slice(0, 1))
      yield* until(() => Lanes.lanesOf(process.pid).length === 2)
      // One after the other: it needs no second lane.
      yield* Effect.all(starts.slice(1))
      yield* until(() => Lanes.lanesOf(process.pid).length === 1)
      assert.isFalse(first!.isDegraded())
      const used = Lanes.lanesOf(process.pid)
      yield* close
      yield* until(() => Lanes.lanesOf(process.pid).some((lane) => !used.includes(lane)))
    }).pipe(engine({ warmLanes: 1 })))
})

/** Takes half a gigabyte. */
const filling =
  "const all = []; for (let i = 0; i < 64; i++) { all.push(new Uint8Array(2 ** 23).fill(i)); await tools.echo(i) }; await tools.hold()"

/** An engine whose bound this process alone is past. */
const tight = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => effect.pipe(engine({ maxMemoryBytes: Math.floor(process.memoryUsage.rss() * 0.6) })))

describe.runIf(process.platform === "linux")("the memory of the host and its lanes", () => {
  it.live("is bounded: the largest lane's cells end, and hear why", () =>
    Effect.gen(function*() {
      const [large, small] = [yield* openLease, yield* openLease]
      const bystander = yield* startCell(small.lease, "text(await tools.hold())")
      const bystanderCall = yield* takeCall(bystander)
      const heard = yield* run(large.lease, filling, { maxHeapSizeBytes: 1024 * mebibyte })
      assert.strictEqual(heard.error?._tag, "LimitExceeded")
      // Where it fills faster than we count, the kernel is the one to end it.
      assert.match(heard.error!.text, /\d+ MiB.* the likely cause$/)
      assert.deepStrictEqual((yield* run(large.lease, "text(1)")).texts, ["1"])
      bystander.resolve(bystanderCall, "\"still here\"")
      assert.deepStrictEqual((yield* hear(bystander, [])).texts, ["still here"])
    }).pipe(
      (effect) =>
        Effect.suspend(() => effect.pipe(engine({ maxMemoryBytes: process.memoryUsage.rss() + 400 * mebibyte })))
    ))

  it.live.runIf(ControlGroup.isWritable())(
    "is bounded by the kernel, too, and a cell hears of that",
    () =>
      Effect.gen(function*() {
        const { lease } = yield* openLease
        // We ourselves do not count here: this process alone holds more.
        const heard = yield* run(lease, filling, { maxHeapSizeBytes: 1024 * mebibyte })
        assert.strictEqual(heard.error?._tag, "LimitExceeded")
        assert.match(
          heard.error!.text,
          /^the host's lanes held all of their \d+ MiB, and the system has ended this one, /
        )
      }).pipe(tight)
  )

  it.live.runIf(ControlGroup.isWritable())(
    "is bounded by the kernel, and each cell hears of its own end",
    () =>
      Effect.gen(function*() {
        const source = "await tools.hold(); new Uint8Array(2 ** 29).fill(1)"
        const cells = yield* Effect.replicateEffect(
          Effect.gen(function*() {
            const { lease } = yield* openLease
            const cell = yield* lease.start(program(source, { maxHeapSizeBytes: 1024 * mebibyte }))
            return { cell, call: yield* takeCall(cell) }
          }),
          2
        )
        const lanes = Lanes.lanesOf(process.pid)
        assert.strictEqual(lanes.length, 2)
        cells.forEach(({ call, cell }) => cell.resolve(call, "1"))
        // Their host hears of both ends at once.
        yield* Effect.yieldNow
        const until = performance.now() + 10_000
        while (lanes.some(Lanes.isAlive) && performance.now() < until);
        for (const { cell } of cells) {
          assert.match((yield* hear(cell, [])).error?.text ?? "", /, and the system has ended this one, /)
        }
      }).pipe((effect) =>
        Effect.suspend(() =>
          effect.pipe(engine({ maxLanes: 2, maxMemoryBytes: process.memoryUsage.rss() + 200 * mebibyte }))
        )
      )
  )

  it.live("is no reason to end anybody where the host alone is too large, but there are no more lanes", () =>
    Effect.gen(function*() {
      const { lease } = yield* openLease
      const cell = yield* startCell(lease, "text(await tools.hold())")
      const call = yield* takeCall(cell)
      const another = Effect.flatMap(openLease, ({ lease }) => run(lease, "text(1)"))
      const refused = yield* Effect.flip(Effect.forever(another))
      assert.match(refused.message, /^there is no lane for the cell: the host and its lanes hold \d+ MiB of \d+$/)
      cell.resolve(call, "\"still here\"")
      assert.deepStrictEqual((yield* hear(cell, [])).texts, ["still here"])
    }).pipe(tight))
})

describe("a guest of a lane", () => {
  it.live("stays there while there is too little memory for a lane of its own", () =>
    Effect.gen(function*() {
      const [host, other, guest] = [yield* openLease, yield* openLease, yield* openLease]
      yield* startCell(host.lease, wait)
      yield* Effect.replicateEffect(startCell(other.lease, wait), 2)
      const cell = yield* startCell(guest.lease, wait)
      assert.isTrue(cell.isDegraded())
      // The host is counted, and alone past the bound now.
      const ballast = Buffer.alloc(300 * mebibyte, 1)
      const another = Effect.flatMap(openLease, ({ lease }) => run(lease, "text(1)"))
      assert.match((yield* Effect.flip(Effect.forever(another))).message, /: the host and its lanes hold /)
      yield* other.close
      assert.deepStrictEqual((yield* run(guest.lease, "text(1)")).texts, ["1"])
      assert.isTrue(cell.isDegraded())
      assert.strictEqual(ballast.at(-1), 1)
    }).pipe((effect) =>
      Effect.suspend(() =>
        effect.pipe(engine({ maxLanes: 2, maxMemoryBytes: process.memoryUsage.rss() + 250 * mebibyte }))
      )
    ))
})

describe("a cell's processor time", () => {
  it.live("ends it where it is bounded", () =>
    Effect.gen(function*() {
      const { lease } = yield* openLease
      const limit = { maxCpuTime: Duration.millis(100) }
      const text = "the script used more processor time than its limit of 100 ms"
      const loop = yield* run(lease, "for (;;);", limit)
      assert.deepStrictEqual(loop.error, { _tag: "LimitExceeded", text })
      // In many turns, each a short one.
      const turns = yield* run(lease, "for (;;) { await tools.echo(1); for (let i = 0; i < 1e6; i++); }", limit)
      assert.deepStrictEqual(turns.error, { _tag: "LimitExceeded", text })
      // Waiting uses none.
      const patient = yield* run(lease, "await new Promise((r) => setTimeout(r, 300)); text(1)", limit)
      assert.deepStrictEqual(patient.texts, ["1"])
    }).pipe(engine()))

  it.live("is told of while it is used: the cell is busy", () =>
    Effect.gen(function*() {
      const { lease } = yield* openLease
      const source = "tools.hold(); const end = Date.now() + 1000; while (Date.now() < end); await tools.hold()"
      const [busy, idle] = [yield* startCell(lease, source), yield* startCell(lease, wait)]
      // The other one takes a moment to begin, too.
      yield* until(() => busy.isBusy() && !idle.isBusy())
      yield* until(() => !busy.isBusy())
      const loop = yield* startCell(lease, "for (;;);")
      yield* until(() => loop.isBusy())
      loop.stop()
      assert.isFalse(loop.isBusy())
    }).pipe(engine()))
})

describe("an engine without code generation", () => {
  it.live("refuses every way from a string to code, and nothing else", () =>
    Effect.gen(function*() {
      const { lease } = yield* openLease
      const { texts } = yield* run(
        lease,
        `
        const constructors = [() => {}, async () => {}, function*() {}, async function*() {}].map((f) => f.constructor)
        for (const make of [...constructors, globalThis.Function]) {
          for (const attempt of [() => make("return 1")(), () => new make("return 1"), () => Reflect.construct(make, [])]) {
            try { attempt(); text("made") } catch (error) { text(error.name) }
          }
        }
        text(typeof eval)
        text((() => {}) instanceof Function)
        text(Object.getPrototypeOf(async () => {}) instanceof Function)`
      )
      assert.deepStrictEqual(texts, [...Array.from({ length: 15 }, () => "EvalError"), "undefined", "true", "true"])
    }).pipe(engine({ codeGeneration: false })))

  it.live("is not the default", () =>
    Effect.gen(function*() {
      const { lease } = yield* openLease
      assert.deepStrictEqual((yield* run(lease, "text(eval('1') + Function('return 1')())")).texts, ["2"])
    }).pipe(engine()))
})

describe("an engine", () => {
  it("has bounds that fit the container that it is in", () => {
    const constrained = vi.spyOn(process, "constrainedMemory").mockReturnValue(2 ** 31)
    const { maxLanes, maxMemoryBytes } = V8.resolve({})
    constrained.mockRestore()
    assert.deepStrictEqual([maxLanes, maxMemoryBytes], [12, 1.5 * 2 ** 30])
  })

  it.live("says once in its log how its lanes are confined", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      yield* Effect.gen(function*() {
        const [first, second] = [yield* openLease, yield* openLease]
        yield* run(first.lease, "text(1)")
        yield* run(second.lease, "text(1)")
      }).pipe(engine(), Effect.provide(Logger.layer([logger])))
      assert.strictEqual(lines.filter((line) => line.startsWith("code mode lanes: ")).length, 1)
    }))
})
