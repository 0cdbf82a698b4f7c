/**
 * What durability costs: `npm run bench:durable -- [--rounds N] [--idle N] [--only compare,opening,replay,sleepers]`.
 *
 * Cells of a plain session, and of durable ones over a store in memory, on a file system in memory and on the disk of the
 * folder for temporary files, interleaved in one run. Then how long a cell takes to go on from its journal, by the number of
 * its calls, what it takes to open a session whose cells have ended, and what cells that sleep take on the disk and in memory.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Delegate from "../../dist/Delegate.js"
import type { Isolate } from "../../dist/Isolate.js"
import * as Runtime from "../../dist/Runtime.js"
import * as Store from "../../dist/Store.js"
import * as V8 from "../../dist/V8.js"
import { median } from "../Quantile.ts"

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "15" },
    idle: { type: "string", default: "10000" },
    only: { type: "string", default: "compare,opening,replay,sleepers" }
  }
})
const rounds = Number(flags.rounds)

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")

const folders = { "a file on tmpfs": "/dev/shm", "a file on the disk": tmpdir() }

const folderIn = (parent: string) =>
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(parent, "bench-durable-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  )

/** What holds a cell until it is opened. */
let gate = Deferred.makeUnsafe<void>()

const delegate = Delegate.layer({
  tools: ["echo", "gate"].map((name) => ({
    name,
    toolName: { name, namespace: null },
    description: "",
    kind: "function",
    annotations: { onRestart: "retry" }
  })),
  invokeTool: ({ input, tool }) =>
    tool === "gate" ? Effect.as(Deferred.await(gate), null) : Effect.succeed(input ?? null),
  notify: () => Effect.void
})

type Session = Runtime.SessionRuntime["Service"]
type Engine = Context.Context<Isolate | Delegate.Delegate>

/** Runs a cell to its end, and says how long it took in milliseconds. */
const timeOf = (session: Session, source: string) =>
  Effect.gen(function*() {
    const began = performance.now()
    const { initial } = yield* session.execute({ callId: "c", source })
    const event = yield* initial
    if (event._tag !== "Completed" || event.error !== undefined) {
      return yield* Effect.die(new Error(JSON.stringify(event)))
    }
    return performance.now() - began
  })

const works = {
  "a cell without calls": "text(1)",
  "100 calls, one after the other": "for (let i = 0; i < 100; i++) await tools.echo(i); text(1)",
  "100 calls at once": "await Promise.all(Array.from({ length: 100 }, (_, i) => tools.echo(i))); text(1)"
}

const durable = (session: string, store: Store.Store["Service"], options?: Partial<Runtime.DurableOptions>) =>
  Runtime.makeDurable({ session, ...options }).pipe(Effect.provideService(Store.Store, store))

const storeAt = (filename: string) =>
  Effect.map(Layer.build(Store.layerSqlite({ filename })), (context) => Context.get(context, Store.Store))

const compare = Effect.gen(function*() {
  const memory = Context.get(yield* Layer.build(Store.layerMemory()), Store.Store)
  const sessions: Record<string, Session> = {
    "a plain session": yield* Runtime.make(),
    "kept in memory": yield* durable("s", memory)
  }
  for (const [name, parent] of Object.entries(folders)) {
    const folder = yield* folderIn(parent)
    sessions[`kept in ${name}`] = yield* durable("s", yield* storeAt(join(folder, "store.db")))
  }
  for (const [work, source] of Object.entries(works)) {
    const times = new Map(Object.keys(sessions).map((name) => [name, Array<number>()]))
    for (let round = 0; round < rounds + 2; round++) {
      for (const [name, session] of Object.entries(sessions)) {
        const time = yield* timeOf(session, source)
        // The first ones are to get warm.
        if (round >= 2) {
          times.get(name)!.push(time)
        }
      }
    }
    const plain = median(times.get("a plain session")!)
    console.log(`\n${work}`)
    for (const [name, all] of times) {
      const time = median(all)
      console.log(`  ${name.padEnd(28)} ${time.toFixed(2).padStart(8)} ms  ${(time / plain).toFixed(2)} ×`)
    }
  }
})

/** A cell that has made so many calls is left, and taken up again. */
const replayOf = Effect.fnUntraced(function*(calls: number, filename: string) {
  const source =
    `for (let i = 0; i < ${calls}; i++) await tools.echo(i); text("called"); await tools.gate(); text("done")`
  const store = yield* storeAt(filename)
  const times: Array<number> = []
  for (let round = 0; round < 7; round++) {
    gate = Deferred.makeUnsafe<void>()
    const name = `${calls} calls, ${randomUUID()}`
    const request = { callId: "c", source, idempotencyKey: "k" }
    const first = yield* Scope.make()
    const before = yield* durable(name, store).pipe(Scope.provide(first))
    const cell = yield* before.create(request)
    while ((yield* before.observe(cell, { yieldAfter: "20 millis" })).items.length === 0) {
      // It has not come to the gate.
    }
    yield* Scope.close(first, Exit.void)
    Deferred.doneUnsafe(gate, Effect.void)
    const second = yield* Scope.make()
    const began = performance.now()
    const after = yield* durable(name, store).pipe(Scope.provide(second))
    const event = yield* after.observe(yield* after.cell(cell.id))
    times.push(performance.now() - began)
    if (event._tag !== "Completed" || event.error !== undefined) {
      return yield* Effect.die(new Error(JSON.stringify(event)))
    }
    yield* Scope.close(second, Exit.void)
  }
  // What else the machine does makes none of them faster.
  return Math.min(...times)
})

const replay = Effect.gen(function*() {
  console.log("\ngoing on from a journal, until the cell has ended")
  const filename = join(yield* folderIn(folders["a file on tmpfs"]), "store.db")
  // To get warm.
  yield* replayOf(0, filename)
  let base = 0
  for (const calls of [0, 10, 100, 1000]) {
    const time = yield* replayOf(calls, filename)
    base = calls === 0 ? time : base
    const each = calls === 0 ? "" : `  ${((time - base) / calls).toFixed(3)} ms a call`
    console.log(`  ${`${calls} calls`.padEnd(12)} ${time.toFixed(1).padStart(8)} ms${each}`)
  }
})

const opening = Effect.gen(function*() {
  console.log("\nopening a session whose cells have ended, by processor time of its host")
  const file = yield* storeAt(join(yield* folderIn(folders["a file on tmpfs"]), "store.db"))
  for (const cells of [0, 250, 1000]) {
    const name = `${cells} cells`
    yield* Effect.scoped(Effect.gen(function*() {
      const session = yield* durable(name, file)
      for (let cell = 0; cell < cells; cell++) {
        yield* timeOf(session, "for (let i = 0; i < 8; i++) await tools.echo(i); text(1)")
      }
    }))
    const times: Array<number> = []
    for (let round = 0; round < rounds + 5; round++) {
      const scope = yield* Scope.make()
      const began = process.cpuUsage()
      yield* durable(name, file).pipe(Scope.provide(scope))
      const { system, user } = process.cpuUsage(began)
      yield* Scope.close(scope, Exit.void)
      if (round >= 5) {
        times.push((user + system) / 1000)
      }
    }
    const { length } = (yield* file.load(name)).records
    console.log(`  ${name.padEnd(12)} ${median(times).toFixed(1).padStart(8)} ms  ${length} records`)
  }
})

const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1)

const waits = {
  "a call": "const answer = await tools.gate({ question: 'May I?' }); text(answer)",
  "a timer": "await new Promise((resolve) => setTimeout(resolve, 86_400_000)); text('a day later')"
}

const sleepersOf = Effect.fnUntraced(function*(wait: keyof typeof waits) {
  const count = Number(flags.idle)
  const filename = join(yield* folderIn(folders["a file on tmpfs"]), "store.db")
  const file = yield* storeAt(filename)
  let standing = 0
  const store: typeof file = {
    ...file,
    append: (session, epoch, records, options) =>
      Effect.map(file.append(session, epoch, records, options), () => {
        standing += records.filter(({ _tag }) => _tag === "Frontier").length
      })
  }
  gate = Deferred.makeUnsafe<void>()
  const session = yield* durable("s", store, {
    limits: { maxLiveCells: count + 1, maxToolCallsInFlight: count + 1 },
    idleAfter: "10 millis",
    maxIdleInMemory: 4
  })
  let made = 0
  /** Makes some, and waits until all of them wait. Many that are made at once come to it late. */
  const make = Effect.gen(function*() {
    yield* Effect.forEach(
      Array.from({ length: 50 }),
      () => session.create({ callId: "c", source: waits[wait], idempotencyKey: `k${made++}` }),
      { concurrency: 8, discard: true }
    )
    yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => standing >= made })
  })
  const measure = Effect.gen(function*() {
    // They have left by then, and their lane has said so.
    yield* Effect.sleep("3 seconds")
    collect()
    return process.memoryUsage()
  })
  // What the first ones bring is there for all.
  yield* make
  yield* make
  const before = yield* measure
  yield* Effect.repeat(make, { until: () => made >= count })
  const after = yield* measure
  const bytes = statSync(filename).size
  const records = Effect.map(store.list, ([summary]) => summary!.bytes)
  console.log(`\n${count} cells that wait for ${wait}`)
  console.log(
    `  in memory    ${mebibytes(after.heapUsed - before.heapUsed)} MiB of heap, ${
      mebibytes(after.rss - before.rss)
    } MiB resident`
  )
  console.log(
    `  in the store ${mebibytes(yield* records)} MiB of records; the file has ${mebibytes(bytes)} MiB: ${
      Math.round(count / (bytes / 2 ** 20))
    } a MiB`
  )
})

const sleepers = Effect.forEach(["a call", "a timer"] as const, (wait) => Effect.scoped(sleepersOf(wait)))

const main = Effect.gen(function*() {
  const engine: Engine = yield* Layer.build(Layer.mergeAll(V8.layer({ warmLanes: 0 }), delegate))
  const parts = { compare, opening, replay, sleepers }
  for (const name of flags.only.split(",")) {
    yield* Effect.scoped(parts[name as keyof typeof parts]).pipe(Effect.provide(engine))
  }
})

await Effect.runPromise(Effect.scoped(main))
process.exit(0)
