import { assert, describe, it } from "@effect/vitest"
import { Isolate, type IsolateEvent, type IsolateHandle } from "effect-code-mode/Isolate"
import { Kind, makeReader } from "effect-code-mode/isolate/Frames"
import * as LaneChild from "effect-code-mode/isolate/LaneChild"
import * as LaneLease from "effect-code-mode/isolate/LaneLease"
import * as LanePool from "effect-code-mode/isolate/LanePool"
import type { ToolCallId } from "effect-code-mode/Protocol"
import * as V8 from "effect-code-mode/V8"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import { readdirSync, readFileSync } from "node:fs"
import { getPriority } from "node:os"
import { fileURLToPath } from "node:url"
import { start } from "../cli/Process.ts"
import * as Lanes from "../hostile/Lanes.ts"
import { hear, hearUntil, program, run, startBusyHost, until } from "./harness.ts"

const lease = Effect.flatMap(Isolate, (isolate) => isolate.lease)

// Without spare lanes, the lanes of this process are those of its leases.
const engine = V8.layer({ warmLanes: 0 })

const is = (tag: IsolateEvent["_tag"]) => (event: IsolateEvent) => event._tag === tag

const call = (number: number) => `tool-${number}` as ToolCallId

const ownLanes = () => Lanes.lanesOf(process.pid)

const sysNice = 23n

/** Whether this process may lower the priority of a lane's threads, which may be another user's. */
const mayLower = () => {
  if (process.getuid?.() !== 0) {
    return true
  }
  const capabilities = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"
  return (BigInt(`0x${capabilities}`) >> sysNice & 1n) === 1n
}

const isOver = (handle: IsolateHandle) =>
  Effect.exit(Queue.collect(handle.events)).pipe(Effect.map((exit) => Exit.isSuccess(exit) ? exit.value : []))

describe("a session's lane", () => {
  it.live("runs cells side by side, whatever one of them does", () =>
    Effect.gen(function*() {
      const session = yield* lease
      const busy = yield* session.start(program("for (;;);"))
      yield* hearUntil(busy, is("Started"))
      const held = yield* session.start(program("text(await tools.echo(1))"))
      assert.deepStrictEqual((yield* hear(held, program("").tools)).texts, ["1"])
      busy.stop()
      assert.deepStrictEqual((yield* isOver(busy)).filter(is("Finished")), [])
      assert.deepStrictEqual((yield* run(session, "text(2)")).texts, ["2"])
    }).pipe(Effect.provide(engine)))

  it.live("says what a busy cell did before it goes on", () =>
    Effect.gen(function*() {
      const session = yield* lease
      for (
        const [source, tag] of [
          ["tools.hold(1); for (;;);", "ToolCalls"],
          ["notify(1); for (;;);", "Notify"],
          ["yield_control(); for (;;);", "YieldRequested"],
          ["for (;;) text(\"x\".repeat(1000))", "Output"],
          ["text(1); const end = Date.now() + 50; while (Date.now() < end); text(2); for (;;);", "Output"]
        ] as const
      ) {
        const handle = yield* session.start(program(source))
        yield* hearUntil(handle, is(tag))
        handle.stop()
      }
    }).pipe(Effect.provide(engine)))

  it.live("holds a cell back, and not its neighbours", () =>
    Effect.gen(function*() {
      const session = yield* lease
      const held = yield* session.start(program("await tools.hold(1); text('it goes on')"))
      yield* hearUntil(held, is("ToolCalls"))
      held.hold(true)
      held.resolve(call(1), "null")
      assert.deepStrictEqual((yield* run(session, "text(await tools.echo(2))")).texts, ["2"])
      assert.strictEqual(Queue.sizeUnsafe(held.events), 0)
      held.hold(false)
      assert.deepStrictEqual((yield* hear(held, [])).texts, ["it goes on"])
    }).pipe(Effect.provide(engine)))

  it.live("holds a storm back, and ends it there", () =>
    Effect.gen(function*() {
      const session = yield* lease
      const storm = yield* session.start(program("for (;;) text('x'.repeat(10_000))"))
      yield* hearUntil(storm, is("Output"))
      storm.hold(true)
      // Until it says nothing more while another cell comes and goes.
      yield* Effect.repeat(
        Effect.andThen(Effect.ignore(Queue.clear(storm.events)), run(session, "text(1)")),
        { until: () => Queue.sizeUnsafe(storm.events) === 0 }
      )
      storm.hold(false)
      yield* hearUntil(storm, is("Output"))
      storm.hold(true)
      const lanes = ownLanes()
      storm.stop()
      assert.deepStrictEqual((yield* run(session, "text(2)")).texts, ["2"])
      assert.deepStrictEqual(ownLanes(), lanes)
    }).pipe(Effect.provide(engine)))

  it.live("survives an output storm that nobody stops", () =>
    Effect.gen(function*() {
      const session = yield* lease
      const handle = yield* session.start(program("for (let i = 0; i < 20_000; i++) text(\"x\".repeat(5_000))"))
      const heard = yield* hear(handle, [])
      assert.strictEqual(heard.texts.length, 20_000)
      assert.isUndefined(heard.error)
    }).pipe(Effect.provide(engine)))

  it.live.each([
    "const all = []; for (;;) all.push(new Array(1000).fill({}))",
    "const all = []; for (let i = 0;; i++) all.push(\"x\".repeat(1000) + i)",
    "const all = new Map(); for (let i = 0;; i++) all.set(i, [i])",
    "const all = []; for (;;) all.push(await tools.echo(\"x\".repeat(100_000)))"
  ])("ends a cell at its memory limit: %s", (source) =>
    Effect.gen(function*() {
      const session = yield* lease
      const bomb = yield* run(session, source, { maxHeapSizeBytes: 32 * 1024 * 1024 })
      assert.strictEqual(bomb.error?._tag, "LimitExceeded")
      assert.include(bomb.error?.text, "32 MiB")
      assert.deepStrictEqual((yield* run(session, "text(1)")).texts, ["1"])
    }).pipe(Effect.provide(engine)))

  it.live("lets a script hear of the array buffers it may not have", () =>
    Effect.gen(function*() {
      const session = yield* lease
      const bomb = yield* run(session, "const a = []; for (;;) a.push(new ArrayBuffer(16 * 1024 * 1024))", {
        maxHeapSizeBytes: 32 * 1024 * 1024
      })
      assert.match(bomb.error?.text ?? "", /memory|alloc/i)
    }).pipe(Effect.provide(engine)))
})

describe("a pausable cell", () => {
  it.live("stands at every frontier until it is resumed", () =>
    Effect.gen(function*() {
      const session = yield* lease
      const source = `
        setTimeout(() => text("timer"))
        text(await tools.hold("a")); text(await tools.hold("b")); await new Promise(() => {})`
      const handle = yield* session.start(program(source, { pausable: true }))
      const first = yield* hearUntil(handle, is("Frontier"))
      assert.deepStrictEqual(first.at(-1), { _tag: "Frontier", pendingToolCalls: [call(1)], timers: 1 } as IsolateEvent)

      // The answer and the timer wait; nothing is heard, so the next thing heard is what `resume` brings.
      handle.resolve(call(1), "\"first\"")
      handle.resolve(call(1), "\"twice\"")
      // By the clock of another cell of the lane.
      assert.isTrue((yield* run(session, "await new Promise((resolve) => setTimeout(resolve, 50))")).finished)
      assert.strictEqual(Queue.sizeUnsafe(handle.events), 0)
      handle.resume()
      const second = yield* hearUntil(handle, is("Frontier"))
      assert.sameDeepMembers(
        second.flatMap((event) => event._tag === "Output" ? event.items : []),
        [{ type: "input_text", text: "first" }, { type: "input_text", text: "timer" }]
      )
      assert.deepStrictEqual(
        second.at(-1),
        { _tag: "Frontier", pendingToolCalls: [call(2)], timers: 0 } as IsolateEvent
      )

      handle.resume()
      assert.deepStrictEqual(yield* hearUntil(handle, is("Frontier")), [second.at(-1)!])
      handle.reject(call(2), "no")
      handle.resume()
      const last = yield* hear(handle, [])
      assert.strictEqual(last.error?.text, "no")
    }).pipe(Effect.provide(engine)))

  it.live("a running cell says when nothing can come any more", () =>
    Effect.gen(function*() {
      const session = yield* lease
      const handle = yield* session.start(program("text(1); await new Promise(() => {})"))
      assert.deepStrictEqual(
        (yield* hearUntil(handle, is("Frontier"))).at(-1),
        { _tag: "Frontier", pendingToolCalls: [], timers: 0 } as IsolateEvent
      )
    }).pipe(Effect.provide(engine)))
})

describe.runIf(process.platform === "linux")("lane processes", () => {
  it.live("each lease has its own, and it ends with the lease", () =>
    Effect.gen(function*() {
      yield* until(() => ownLanes().length === 0)
      const scope = yield* Scope.make()
      const session = yield* Scope.provide(lease, scope)
      assert.deepStrictEqual(ownLanes(), [])
      const handle = yield* session.start(program("for (;;);"))
      yield* hearUntil(handle, is("Started"))
      const lanes = ownLanes()
      assert.strictEqual(lanes.length, 1)

      const other = yield* lease
      yield* run(other, "text(1)")
      assert.strictEqual(ownLanes().length, 2)

      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual((yield* isOver(handle)).filter(is("Finished")), [])
      yield* until(() => !Lanes.isAlive(lanes[0]!))
      assert.deepStrictEqual((yield* run(other, "text(2)")).texts, ["2"])
    }).pipe(Effect.provide(engine)))

  it.live.runIf(mayLower())(
    "one with a busy cell computes with a lower priority than it hears us",
    () =>
      Effect.gen(function*() {
        yield* until(() => ownLanes().length === 0)
        const session = yield* lease
        const cell = yield* session.start(program("for (;;);"))
        yield* hearUntil(cell, is("Started"))
        const [pid] = ownLanes()
        const others = () => readdirSync(`/proc/${pid}/task`).map(Number).filter((thread) => thread !== pid)
        const own = getPriority(process.pid)
        yield* until(() => cell.isBusy())
        assert.isTrue(others().some((thread) => getPriority(thread) === own + 5))
        assert.strictEqual(getPriority(pid), own)
      }).pipe(Effect.provide(engine))
  )

  it.live("one that dies takes its cells with it and nothing else", () =>
    Effect.gen(function*() {
      yield* until(() => ownLanes().length === 0)
      const session = yield* lease
      const other = yield* lease
      const handles = [
        yield* session.start(program("await tools.hold()")),
        yield* session.start(program("for (;;);"))
      ]
      yield* Effect.forEach(handles, (handle) => hearUntil(handle, is("Started")))
      const [pid] = ownLanes()
      const bystander = yield* other.start(program("text(await tools.hold())"))
      yield* hearUntil(bystander, is("ToolCalls"))

      process.kill(pid!, "SIGKILL")
      for (const handle of handles) {
        assert.deepStrictEqual((yield* isOver(handle)).filter(is("Finished")), [])
        handle.resolve(call(1), "1")
        handle.resume()
        handle.stop()
      }
      assert.deepStrictEqual((yield* run(session, "text(1)")).texts, ["1"])
      bystander.resolve(call(1), "\"untouched\"")
      assert.deepStrictEqual((yield* hear(bystander, [])).texts, ["untouched"])
    }).pipe(Effect.provide(engine)))

  it.live("one that cannot stop a cell is replaced", () =>
    Effect.gen(function*() {
      yield* until(() => ownLanes().length === 0)
      const session = yield* lease
      const stuck = yield* session.start(program("Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)"))
      yield* until(() => stuck.isBusy())
      const [pid] = ownLanes()
      stuck.stop()
      yield* until(() => !Lanes.isAlive(pid!))
      assert.deepStrictEqual((yield* run(session, "text(1)")).texts, ["1"])
    }).pipe(Effect.provide(engine)))

  it.live("one that stopped a cell says so, and goes on with the others", () =>
    Effect.gen(function*() {
      const said: Array<number> = []
      const read = makeReader((_, kind) => said.push(kind))
      const options = V8.resolve({ warmLanes: 0, laneKillAfter: 0 })
      const pool = yield* LanePool.make({
        ...options,
        launch: (confinement) => {
          const child = LaneChild.start(LaneChild.findProgram(options), confinement)
          child.socket.on("data", read)
          return child
        }
      })
      const session = yield* LaneLease.make(pool, () => Effect.void)
      const other = yield* session.start(program("text(await tools.hold())"))
      yield* hearUntil(other, is("ToolCalls"))
      const late = yield* session.start(program("for (;;);"))
      yield* until(() => late.isBusy())
      late.stop()
      yield* until(() => said.includes(Kind.Left))
      other.resolve(call(1), "\"still here\"")
      assert.deepStrictEqual((yield* hear(other, [])).texts, ["still here"])
    }))

  it.live("spare ones end with the layer", () =>
    Effect.gen(function*() {
      yield* until(() => ownLanes().length === 0)
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(Layer.fresh(V8.layer({ warmLanes: 2 })), scope)
      yield* until(() => ownLanes().length === 2)
      yield* Effect.provideContext(Effect.scoped(Effect.flatMap(lease, (session) => run(session, "text(1)"))), context)
      yield* until(() => ownLanes().length === 2)
      yield* Scope.close(scope, Exit.void)
      yield* until(() => ownLanes().length === 0)
    }))

  it.live.each(["before", "after"])(
    "none starts without file descriptors, taken %s its engine was made",
    (when) =>
      Effect.gen(function*() {
        const sources = fileURLToPath(new URL("../sources.ts", import.meta.url))
        const script = fileURLToPath(new URL("noDescriptors.ts", import.meta.url))
        const command = "ulimit -n 100; exec \"$0\" --import \"$1\" \"$2\" \"$3\""
        const { result } = yield* start("/bin/sh", ["-c", command, process.execPath, sources, script, when])
        const refusal = "there is no lane for the cell: there are no file descriptors left\n"
        assert.deepStrictEqual(yield* result, { status: 0, stdout: `${refusal.repeat(8)}1\n`, stderr: "" })
      })
  )

  it.live("none outlives a host that is killed", () =>
    Effect.gen(function*() {
      const { host, lanes } = yield* startBusyHost
      host.kill("SIGKILL")
      yield* until(() => lanes.every((pid) => !Lanes.isAlive(pid)))
    }))
})
