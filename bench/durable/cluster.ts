/**
 * Sessions of a cluster whose hosts are killed and frozen all the time, and whether everything is as if nothing had happened:
 * `npm run prove:cluster -- --hosts 3 --sessions 20 --kills 20 --freeze 4 --seed 1`.
 *
 * Unlike in `prove:durable`, nothing here says which host has which session, or looks for another one. Each client asks its
 * session by its name, once, and has its answer. `--break epoch` takes the fencing away: then it has to fail.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { isDeepStrictEqual, parseArgs } from "node:util"
import * as Cluster from "../../dist/Cluster.js"
import type { CellId } from "../../dist/Protocol.js"
import * as Port from "../../test/cluster/Port.ts"
import { count, counts, violate, violations } from "../Violations.ts"
import * as Dice from "./Dice.ts"
import { Host, programOf } from "./Hosts.ts"
import * as Journals from "./Journals.ts"
import * as Outcomes from "./Outcomes.ts"
import * as Stores from "./Stores.ts"
import * as World from "./World.ts"

const { values: flags } = parseArgs({
  options: {
    hosts: { type: "string", default: "3" },
    sessions: { type: "string", default: "20" },
    kills: { type: "string", default: "20" },
    freeze: { type: "string", default: "4" },
    seed: { type: "string", default: "1" },
    /** Milliseconds that a host stays frozen: longer than the others wait for it. */
    frozen: { type: "string", default: "16000" },
    /** Hosts are started from the file that `bundle.mjs` has made. */
    bundled: { type: "boolean", default: false },
    break: { type: "string", default: "" }
  }
})

const seed = Number(flags.seed)
const program = programOf(flags.bundled)
const dice = Dice.make(seed)
const folder = mkdtempSync(join(tmpdir(), "prove-cluster-"))
const store = await Stores.postgres()
const socket = join(folder, "world")
const world = await World.serve(socket, Dice.make(seed + 1))
const onTold = Outcomes.fencing()

let started = 0
const startHost = async () => {
  const name = `host-${++started}`
  const port = await Effect.runPromise(Port.free)
  return new Host(name, program, [store, socket, "0", flags.break, String(port)], onTold(name))
}
const hosts = await Promise.all(Array.from({ length: Number(flags.hosts) }, startHost))
await Promise.all(hosts.map(({ ready }) => ready))

const names = Array.from({ length: Number(flags.sessions) }, (_, index) => `s${index}`)
const work = { isOver: false }
const cells = new Set<CellId>()

const client = Effect.fnUntraced(function*(name: string) {
  const { session } = yield* Cluster.Connection
  const runtime = yield* session({ session: name })
  const own = Dice.make(seed * 77 + Number(name.slice(1)))
  const sourceOf = Outcomes.sourcesOf(name, seed)
  const run: Outcomes.Run = { outcomes: [], values: undefined }
  while (!work.isOver) {
    const number = run.outcomes.length
    // Some requests have no key: then the client itself sees to it that nothing is lost.
    const isKeyed = own.next() < 0.5
    const cell = yield* runtime.create({
      callId: "c",
      source: sourceOf(),
      ...(isKeyed ? { idempotencyKey: `cell ${number}` } : {})
    })
    cells.add(cell.id)
    const texts: Array<string> = []
    for (let time = 0;; time++) {
      const yieldAfter = own.pick([0, 30, 100, 400, 10_000])
      const observation = isKeyed ? { yieldAfter, idempotencyKey: `event ${number} ${time}` } : { yieldAfter }
      const event = yield* runtime.observe(cell, observation)
      count("events")
      if (isKeyed && own.next() < 0.2) {
        count("events asked for again")
        const again = yield* runtime.observe(cell, observation)
        if (!isDeepStrictEqual(again, event)) {
          violate(`${name}: event ${number} ${time} was ${JSON.stringify(event)}, then ${JSON.stringify(again)}`)
        }
      }
      texts.push(...Outcomes.textsOf(event))
      if (event._tag !== "Yielded") {
        run.outcomes.push({ texts, end: Outcomes.endOf(event) })
        break
      }
    }
    count("cells")
  }
  run.values = yield* runtime.storedValues
  return run
})

const kill = async () => {
  const victim = dice.pick(hosts)
  count("kills")
  await victim.end()
  const next = await startHost()
  hosts[hosts.indexOf(victim)] = next
  await next.ready
}

const freeze = async () => {
  const victim = dice.pick(hosts)
  count("freezes")
  victim.signal("SIGSTOP")
  await sleep(Number(flags.frozen))
  victim.signal("SIGCONT")
}

const faults = [
  ...Array.from({ length: Number(flags.kills) }, () => kill),
  ...Array.from({ length: Number(flags.freeze) }, () => freeze)
]
faults.sort(() => dice.next() - 0.5)
const disturb = async () => {
  for (const fault of faults) {
    await sleep(dice.between(500, 6000))
    await fault()
  }
  work.isOver = true
}

const [runs] = await Promise.all([
  Effect.runPromise(
    Effect.forEach(names, client, { concurrency: "unbounded" }).pipe(
      Effect.timeoutOption(`${faults.length * 30 + 180} seconds`),
      Effect.scoped,
      Effect.provide(Layer.provide(Cluster.layerConnection(), Stores.clientOf(store)))
    )
  ),
  disturb()
])
await Promise.all(hosts.map((host) => host.end()))

if (runs._tag === "None") {
  violate("sessions do not come to their end")
} else {
  await Outcomes.compare(names, runs.value, seed)
  Outcomes.checkNotified(cells, world)
}
Outcomes.countCalls(world)
await Journals.check(names, store)
world.close()
rmSync(folder, { recursive: true })
console.log(JSON.stringify(counts, undefined, 2))
console.log(violations.length === 0 ? "all as it should be" : `${violations.length} violations`)
process.exit(violations.length === 0 ? 0 : 1)
