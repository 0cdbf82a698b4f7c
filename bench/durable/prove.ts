/**
 * Sessions on several hosts that are killed and frozen all the time, and whether everything is as if nothing had happened:
 * `npm run prove:durable -- --store sqlite,postgres --hosts 3 --sessions 50 --kills 200 --freeze 20 --seed 1`.
 *
 * Each session runs one cell after the other for as long as there is a kill or a freeze to come. Its client asks whichever
 * host has the session, and asks the same again when that host is gone. What comes out is compared with a run in one process
 * that nothing disturbs. `--break epoch`, `seed` or `order` takes away what durability stands on: then it has to fail.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { isDeepStrictEqual, parseArgs } from "node:util"
import type { CellEvent, CellId } from "../../dist/Protocol.js"
import { quantile } from "../Quantile.ts"
import { count, counts, violate, violations } from "../Violations.ts"
import * as Dice from "./Dice.ts"
import { Host, programOf, type Question, type Value } from "./Hosts.ts"
import * as Journals from "./Journals.ts"
import * as Outcomes from "./Outcomes.ts"
import * as Stores from "./Stores.ts"
import * as World from "./World.ts"

const { values: flags } = parseArgs({
  options: {
    store: { type: "string", default: "sqlite" },
    hosts: { type: "string", default: "3" },
    sessions: { type: "string", default: "50" },
    kills: { type: "string", default: "200" },
    freeze: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
    lease: { type: "string", default: "1500" },
    /** Milliseconds that a session may take to be there again after a kill, in 95 of 100 cases. */
    recovery: { type: "string", default: "2000" },
    /** Milliseconds that sessions may take to come to their end, once nothing disturbs them any more. */
    patience: { type: "string", default: "180000" },
    /** Hosts are started from the file that `bundle.mjs` has made. */
    bundled: { type: "boolean", default: false },
    break: { type: "string", default: "" }
  }
})
const lease = Number(flags.lease)
const program = programOf(flags.bundled)
const isBroken = flags.break !== ""

const prove = async (kind: string) => {
  const seed = Number(flags.seed)
  const dice = Dice.make(seed)
  const folder = mkdtempSync(join(tmpdir(), "prove-durable-"))
  const store = kind === "sqlite" ? `sqlite:${join(folder, "store.db")}` : await Stores.postgres()
  const socket = join(folder, "world")
  const world = await World.serve(socket, Dice.make(seed + 1))

  // ---------------------------------------------------------------------------
  // Hosts, and which one has which session
  // ---------------------------------------------------------------------------

  const onTold = Outcomes.fencing()
  let started = 0
  const startHost = () => {
    const name = `host-${++started}`
    return new Host(name, program, [store, socket, String(lease), flags.break], onTold(name))
  }
  const hosts = Array.from({ length: Number(flags.hosts) }, startHost)
  await Promise.all(hosts.map(({ ready }) => ready))

  const names = Array.from({ length: Number(flags.sessions) }, (_, index) => `s${index}`)
  const homes = new Map<string, { readonly host: Host; readonly opened: Promise<void> }>()
  const recoveries: Array<number> = []

  /** Gives a session to one of these hosts. It is there again when that host has opened it. */
  const assign = (session: string, candidates: ReadonlyArray<Host>, since: number | undefined) => {
    const host = dice.pick(candidates)
    const opened = host.ready.then(() => host.ask({ op: "open", session })).then(() => {
      if (since !== undefined) {
        recoveries.push(Date.now() - since)
      }
    })
    opened.catch(() => {})
    homes.set(session, { host, opened })
  }

  const moveFrom = (host: Host, candidates: ReadonlyArray<Host>, since: number | undefined) => {
    const moved = names.filter((name) => homes.get(name)?.host === host)
    moved.forEach((name) => assign(name, candidates, since))
    return moved
  }

  names.forEach((name) => assign(name, hosts, undefined))

  /** What has no answer yet, for each session. */
  const asked = new Map<string, string>()

  /** Fails when a host that lives has not answered for long, and another one has the session. */
  const deserted = async (session: string, host: Host, asking: { readonly isOver: boolean }): Promise<never> => {
    while (!asking.isOver && (homes.get(session)!.host === host || frozen.has(host))) {
      await sleep(500)
    }
    await sleep(5000)
    throw new Error("deserted")
  }

  /** Asks the host that has the session, again and again, until one answers. */
  const ask = async <A extends Value>(question: Question): Promise<{ readonly value: A; readonly tries: number }> => {
    const until = Date.now() + 120_000
    for (let tries = 1;; tries++) {
      const asking = { isOver: false }
      const { host, opened } = homes.get(question.session)!
      try {
        asked.set(question.session, `${question.op} at ${host.name}`)
        await opened
        const value = await Promise.race([host.ask<A>(question), deserted(question.session, host, asking)])
        asked.delete(question.session)
        return { value, tries }
      } catch (error) {
        if (error instanceof Error && error.message === "deserted") {
          count("questions that a host left unanswered whose session was taken")
        }
        if (Date.now() > until) {
          throw new Error(`${question.op} of ${question.session} is not answered`, { cause: error })
        }
        // Its host lives, and has lost it: to another one that was frozen, say.
        if (homes.get(question.session)!.host === host && host.isAlive && !frozen.has(host)) {
          count("sessions opened anew")
          assign(question.session, [host], undefined)
        }
        await sleep(20)
      } finally {
        asking.isOver = true
      }
    }
  }

  // ---------------------------------------------------------------------------
  // Clients
  // ---------------------------------------------------------------------------

  const work = { isOver: false }
  const frozen = new Set<Host>()
  const cells = new Set<CellId>()

  const client = async (name: string): Promise<Outcomes.Run> => {
    const own = Dice.make(seed * 77 + Number(name.slice(1)))
    const sourceOf = Outcomes.sourcesOf(name, seed)
    const run: Outcomes.Run = { outcomes: [], values: undefined }
    while (!work.isOver) {
      const number = run.outcomes.length
      const source = sourceOf()
      const { value: cell } = await ask<CellId>({ op: "create", session: name, key: `cell ${number}`, source })
      cells.add(cell)
      const texts: Array<string> = []
      for (let time = 0;; time++) {
        const question = {
          op: "observe",
          session: name,
          cell,
          key: `event ${number} ${time}`,
          wait: own.pick([0, 30, 100, 400, 10_000])
        } as const
        const { tries, value: event } = await ask<CellEvent>(question)
        count("events")
        if (tries > 1 || own.next() < 0.2) {
          count("events asked for again")
          const { value: again } = await ask<CellEvent>(question)
          if (!isDeepStrictEqual(again, event)) {
            violate(`${name}: ${question.key} was ${JSON.stringify(event)}, then ${JSON.stringify(again)}`)
          }
        }
        // Nothing makes that good again.
        if (event._tag === "Completed" && event.error?._tag === "Diverged") {
          violate(`${name}, cell ${number}: ${event.error.text}`)
        }
        texts.push(...Outcomes.textsOf(event))
        if (event._tag !== "Yielded") {
          run.outcomes.push({ texts, end: Outcomes.endOf(event) })
          break
        }
      }
      count("cells")
    }
    run.values = (await ask<Readonly<Record<string, unknown>>>({ op: "values", session: name })).value
    return run
  }
  const clients = Promise.all(names.map(client))
  clients.catch(() => {})

  // ---------------------------------------------------------------------------
  // Faults
  // ---------------------------------------------------------------------------

  /** Until every session has a home again; not for ever. */
  const settled = () =>
    Promise.race([
      Promise.allSettled(names.map((name) => homes.get(name)!.opened)),
      sleep(10_000)
    ])

  const kill = async () => {
    const victim = dice.pick(hosts)
    await victim.ready
    count("kills")
    const since = Date.now()
    await victim.end()
    hosts[hosts.indexOf(victim)] = startHost()
    moveFrom(victim, hosts, since)
  }

  const freeze = async () => {
    // One without sessions would show nothing.
    const busy = hosts.filter((host) => names.some((name) => homes.get(name)!.host === host))
    const victim = dice.pick(busy)
    const others = hosts.filter((host) => host !== victim)
    await victim.ready
    count("freezes")
    victim.signal("SIGSTOP")
    frozen.add(victim)
    const moved = moveFrom(victim, others, undefined)
    const taken = Promise.allSettled(moved.map((name) => homes.get(name)!.opened)).then(() => true)
    // One that holds the lock of a file keeps all others waiting until it goes on.
    const isTaken = await Promise.race([taken, sleep(lease * 4 + 4000).then(() => false)])
    count(isTaken ? "frozen hosts whose sessions were all taken" : "frozen hosts that went on before that")
    victim.signal("SIGCONT")
    frozen.delete(victim)
    // Now it has what came meanwhile, and would go on with it.
    await sleep(dice.between(200, 800))
    // Sessions that it still has are given back, so that those who wait get them.
    await Promise.allSettled(moved.map((session) => victim.ask({ op: "close", session })))
  }

  /** What has to fail is over when it has. */
  const isFound = () =>
    isBroken &&
    (violations.length > 0 ||
      Array.from(world.performed.values()).some(({ times, tool }) => tool === "once" && times > 1))

  const faults = [
    ...Array.from({ length: Number(flags.kills) }, () => kill),
    ...Array.from({ length: Number(flags.freeze) }, () => freeze)
  ]
  // The freezes come between the kills.
  faults.sort(() => dice.next() - 0.5)
  for (const fault of faults) {
    await settled()
    await sleep(dice.between(50, 400))
    await fault()
    if (isFound()) {
      break
    }
  }
  work.isOver = true
  const runs = isFound()
    ? undefined
    : await Promise.race([clients, sleep(isBroken ? 10_000 : Number(flags.patience)).then(() => undefined)])
  if (runs === undefined && !isFound()) {
    violate(`sessions do not come to their end: ${JSON.stringify(Object.fromEntries(asked))}`)
  }

  // ---------------------------------------------------------------------------
  // Whether all is as it should be
  // ---------------------------------------------------------------------------

  await Promise.all(hosts.map((host) => host.end()))
  if (runs !== undefined) {
    await Outcomes.compare(names, runs, seed)
    Outcomes.checkNotified(cells, world)
  }
  Outcomes.countCalls(world)
  await Journals.check(names, store)

  const recovery = (share: number) => recoveries.length === 0 ? 0 : quantile(recoveries, share)
  const p95 = recovery(0.95)
  if (p95 > Number(flags.recovery)) {
    violate(`sessions were there again ${p95} ms after a kill, in 95 of 100 cases; they may take ${flags.recovery} ms`)
  }
  console.log(
    `${kind}: ${
      JSON.stringify(
        {
          ...counts,
          recoveryMillis: { median: recovery(0.5), p95, max: recovery(1) }
        },
        undefined,
        2
      )
    }`
  )
  world.close()
  rmSync(folder, { recursive: true })
}

for (const kind of flags.store.split(",")) {
  await prove(kind)
  Object.keys(counts).forEach((what) => delete counts[what])
}
console.log(violations.length === 0 ? "all as it should be" : `${violations.length} violations`)
process.exit(violations.length === 0 ? 0 : 1)
