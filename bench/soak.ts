/**
 * Good and hostile cells from many sessions, with faults from outside: `npm run soak -- [seconds]`. With `--wires` after it,
 * the sessions are those of host processes, see `soakWires.ts`.
 *
 * Half of the sessions are quiet: their cells are good ones and every answer has to be the right one. The others are
 * wild: hostile cells run beside good ones, and their lanes are killed and frozen and their pipes closed at random; every
 * request has to be answered. At the end no lane, no handle and no file descriptor may be left.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { ChildProcess } from "node:child_process"
import { subscribe } from "node:diagnostics_channel"
import { readdirSync } from "node:fs"
import type { Socket } from "node:net"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Delegate from "../dist/Delegate.js"
import type { Isolate } from "../dist/Isolate.js"
import * as Protocol from "../dist/Protocol.js"
import * as Runtime from "../dist/Runtime.js"
import * as V8 from "../dist/V8.js"
import * as Lanes from "../test/hostile/Lanes.ts"
import * as Script from "../test/hostile/Script.ts"
import { count, counts, pick, violate, violations } from "./Violations.ts"

if (process.argv.includes("--wires")) {
  await import("./soakWires.ts")
}

const seconds = Number(process.argv[2] ?? 600)
const sessionsOfEachKind = 2
const cellsOfASession = 20
const cellsAtATime = 3
const patience = "3 seconds"
const wedged = "30 seconds"
const faultEveryMillis = 1_500
/** Tells the lanes of wild sessions from those of quiet ones, in their command lines. */
const wildWarmIsolates = 2

const good: ReadonlyArray<readonly [source: string, answer: string]> = [
  ["text(6 * 7)", "42"],
  ["text(await tools.echo({ a: 1 }))", "{\"a\":1}"],
  ["text((await Promise.all(Array.from({ length: 100 }, (_, i) => tools.echo(i)))).length)", "100"],
  ["store('k', [1]); text(load('k').length)", "1"],
  ["await new Promise((resolve) => setTimeout(resolve, 20)); text('late')", "late"],
  ["notify('n'); for await (const one of as_settled([tools.echo(1)])) text(one.value)", "1"],
  ["try { await tools.fail() } catch (e) { text(e) }", "boom"],
  ["text('x'.repeat(100_000).length); throw 'end'", "100000!end"]
]
const hostile = Script.all.filter(({ family }) => ["builtins", "loops", "memory", "storms", "stack"].includes(family))

const delegate = Delegate.layerTools({
  echo: Delegate.tool({ parameters: Protocol.NestedToolCall.fields.input.schema, handler: Effect.succeed }),
  hold: Delegate.tool({ parameters: Protocol.NestedToolCall.fields.input.schema, handler: () => Effect.never }),
  fail: Delegate.tool({
    parameters: Protocol.NestedToolCall.fields.input.schema,
    handler: () => Effect.fail(new Protocol.ToolError({ text: "boom" }))
  })
})

const answerOf = (event: Protocol.CellEvent) =>
  event._tag === "Completed"
    ? event.items.map((item) => item.type === "input_text" ? item.text : item.type).join()
      + (event.error === undefined ? "" : `!${event.error.text}`)
    : event._tag

/** Runs a cell, and ends it where it does not end by itself. */
const run = Effect.fnUntraced(function*(session: Runtime.SessionRuntime["Service"], source: string) {
  const { cell, initial } = yield* session.execute({ callId: "soak", source }, { yieldAfter: patience })
  const event = yield* initial
  return event._tag === "Yielded" ? yield* session.terminate(cell) : event
}, Effect.timeout(wedged))

const quietCell = Effect.fnUntraced(function*(session: Runtime.SessionRuntime["Service"]) {
  const [source, expected] = pick(good)
  const exit = yield* Effect.exit(run(session, source))
  const answer = Exit.isSuccess(exit) ? answerOf(exit.value) : Cause.pretty(exit.cause)
  count("quiet cells")
  if (answer !== expected) {
    violate(`a quiet cell answered ${answer.slice(0, 500)} for ${expected}`)
  }
})

const wildCell = Effect.fnUntraced(function*(session: Runtime.SessionRuntime["Service"]) {
  const source = Math.random() < 0.5 ? pick(good)[0] : pick(hostile).source
  const exit = yield* Effect.exit(run(session, source))
  if (Exit.isSuccess(exit)) {
    count(`wild cells: ${exit.value._tag === "Completed" ? exit.value.error?._tag ?? "ok" : exit.value._tag}`)
  } else {
    const error = Cause.squash(exit.cause)
    if (error instanceof Protocol.IsolateFailure) {
      count("wild cells: not started")
    } else {
      violate(`a wild cell was not answered: ${Cause.pretty(exit.cause)}: ${source.slice(0, 200)}`)
    }
  }
})

const end = performance.now() + seconds * 1000

const sessions = (
  engine: Layer.Layer<Isolate>,
  cell: (session: Runtime.SessionRuntime["Service"]) => Effect.Effect<void>
) =>
  Effect.gen(function*() {
    const limits = Protocol.Limits.make({ maxHeapSizeBytes: 64 * 2 ** 20 })
    const context = yield* Layer.build(Layer.fresh(Runtime.layer({ limits })).pipe(Layer.provide([delegate, engine])))
    const session = yield* Effect.provideContext(Runtime.SessionRuntime, context)
    yield* Effect.forEach(Array.from({ length: cellsOfASession }), () => cell(session), {
      concurrency: cellsAtATime,
      discard: true
    })
    count("sessions")
  }).pipe(
    Effect.scoped,
    Effect.timeout("5 minutes"),
    Effect.catchCause((cause) => Effect.sync(() => violate(`a session: ${Cause.pretty(cause)}`))),
    Effect.repeat({ while: () => performance.now() < end })
  )

/** The lanes of wild sessions. */
const wildLanes = new Set<ChildProcess>()
subscribe("child_process", (message) => {
  const { process: child } = message as { readonly process: ChildProcess }
  child.once("spawn", () => {
    if (child.spawnargs.at(-2) === String(wildWarmIsolates)) {
      wildLanes.add(child)
      child.once("exit", () => wildLanes.delete(child))
    }
  })
})

const faults: Readonly<Record<string, (lane: ChildProcess) => void>> = {
  "lanes killed": (lane) => lane.kill("SIGKILL"),
  // It is the host's to kill then.
  "lanes frozen": (lane) => lane.kill("SIGSTOP"),
  "pipes closed one way": (lane) => (lane.stdio[3] as Socket).end(),
  "pipes closed": (lane) => (lane.stdio[3] as Socket).destroy(),
  "pipes closed in the middle of a frame": (lane) => (lane.stdio[3] as Socket).end(Buffer.from([200, 0, 0, 0, 1]))
}

const fault = Effect.sync(() => {
  if (wildLanes.size > 0) {
    const [name, harm] = pick(Object.entries(faults))
    harm(pick([...wildLanes]))
    count(name)
  }
})

const handles = () => readdirSync("/proc/self/fd").length
const mebibytes = (bytes: number) => Math.round(bytes / 2 ** 20)

setFlagsFromString("--expose-gc")
const collectGarbage: () => void = runInNewContext("gc")

const report = Effect.sync(() => {
  collectGarbage()
  const { heapUsed, rss } = process.memoryUsage()
  console.log(JSON.stringify({
    ...counts,
    heapMiB: mebibytes(heapUsed),
    residentMiB: mebibytes(rss),
    descriptors: handles(),
    lanes: Lanes.lanesOf(process.pid).length
  }))
})

// Node opens a few descriptors of its own with the first process and the first line.
await report.pipe(Effect.andThen(Effect.sleep(1_000)), Effect.provide(V8.layer()), Effect.runPromise)
const handlesBefore = handles()

await Effect.gen(function*() {
  const quiet = Layer.succeedContext(yield* Layer.build(Layer.fresh(V8.layer())))
  const wild = Layer.succeedContext(yield* Layer.build(Layer.fresh(V8.layer({ warmIsolates: wildWarmIsolates }))))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(faultEveryMillis), fault)))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(seconds * 100), report)))
  const all = Array.from({ length: sessionsOfEachKind }, () => [sessions(quiet, quietCell), sessions(wild, wildCell)])
  yield* Effect.all(all.flat(), { concurrency: "unbounded", discard: true })
}).pipe(Effect.scoped, Effect.runPromise)

const left = () => [
  ...Lanes.lanesOf(process.pid).map((pid) => `lane ${pid} is left`),
  ...(handles() > handlesBefore ? [`${handles() - handlesBefore} file descriptors are left`] : [])
]
const patienceEnds = performance.now() + 10_000
while (left().length > 0 && performance.now() < patienceEnds) {
  await new Promise((resolve) => setTimeout(resolve, 50))
}
left().forEach(violate)
await report.pipe(Effect.runPromise)
console.log(violations.length === 0 ? "no violation" : `${violations.length} violations`)
process.exitCode = violations.length === 0 ? 0 : 1
