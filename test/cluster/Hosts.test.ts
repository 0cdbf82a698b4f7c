import { assert, describe, it } from "@effect/vitest"
import * as Cluster from "effect-code-mode/Cluster"
import type * as Protocol from "effect-code-mode/Protocol"
import type * as Runtime from "effect-code-mode/Runtime"
import * as Store from "effect-code-mode/Store"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Process from "../cli/Process.ts"
import * as Database from "../postgres/Database.ts"
import * as Sharding from "./fixtures/Sharding.ts"
import * as Port from "./Port.ts"

const fixture = fileURLToPath(new URL("fixtures/host.ts", import.meta.url))

const startHost = Effect.fnUntraced(function*(socket: string, folder: string) {
  const port = yield* Port.free
  const running = yield* Process.start(process.execPath, [fixture, socket, String(port), folder, "quick"])
  return { ...running, name: String(port), goesOn: () => writeFileSync(join(folder, String(port)), "") }
})

/** Waits for something that no event tells of. It takes seconds, also on a busy machine. */
const until = <A>(what: string, look: () => A | undefined): Effect.Effect<A> =>
  Effect.repeat(Effect.sync(look), {
    until: (found) => found !== undefined,
    schedule: Schedule.spaced("20 millis")
  }).pipe(
    Effect.map((found) => found!),
    Effect.timeoutOrElse({ duration: "60 seconds", orElse: () => Effect.die(new Error(`${what} did not come`)) })
  )

/** What the tools of all hosts have done, in order. */
const callsIn = (folder: string) =>
  (existsSync(join(folder, "calls")) ? readFileSync(join(folder, "calls"), "utf8") : "").split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split(" ") as [tool: string, step: string, session: string, host: string])

const textsOf = ({ items }: Protocol.CellEvent) =>
  items.map((item) => item.type === "input_text" ? item.text : item.type)

const sourceOf = (session: string, tool: "again" | "once") => `
  store("session", ${JSON.stringify(session)})
  text("begins " + load("session"))
  text(await tools.${tool}({ session: "${session}" }).catch((error) => "rejected: " + error))
  store("ended", true)
`

describe.skipIf(Database.missing)(`a cluster${Database.missing === undefined ? "" : `: ${Database.missing}`}`, () => {
  it.live(
    "goes on with the sessions of a host that is killed, and with those of one that is frozen, which has lost them",
    () =>
      Effect.gen(function*() {
        const folder = yield* Process.folder
        const socket = yield* Database.socket
        const hosts = yield* Effect.forEach([1, 2, 3], () => startHost(socket, folder), { concurrency: "unbounded" })
        yield* Effect.forEach(hosts, ({ printed }) => printed("ready"), { concurrency: "unbounded" })
        const [killed, frozen, third] = hosts as [(typeof hosts)[0], (typeof hosts)[0], (typeof hosts)[0]]

        yield* Effect.gen(function*() {
          const connection = yield* Cluster.Connection
          const store = yield* Store.Store
          const sql = yield* SqlClient.SqlClient

          // A session that moves to a host which has just come would have its call interrupted by that.
          yield* Effect.repeat(
            sql<{ readonly hosts: number; readonly shards: number }>`
              SELECT count(DISTINCT pid)::int4 AS hosts, count(*)::int4 AS shards FROM pg_locks
              WHERE locktype = 'advisory' AND granted`,
            {
              until: ([held]) => held?.hosts === hosts.length && held.shards === 100,
              schedule: Schedule.spaced("100 millis")
            }
          )

          interface Started {
            readonly name: string
            readonly tool: "again" | "once"
            readonly host: string
            readonly runtime: Runtime.SessionRuntime["Service"]
            readonly cell: Runtime.Cell
            readonly outcome: Fiber.Fiber<Protocol.CellEvent, unknown> | undefined
          }

          /** A session in whose only cell a call has begun. Not every one is observed from the start. */
          const startSession = Effect.fnUntraced(function*(number: number): Effect.fn.Return<Started, unknown, any> {
            const name = `session-${number}`
            const tool = number % 2 === 0 ? "again" : "once"
            const runtime = yield* connection.session({ session: name })
            const { cell, initial } = yield* runtime.execute({
              callId: "call-1",
              source: sourceOf(name, tool),
              ...(number % 4 < 2 ? { idempotencyKey: "task" } : {})
            })
            const outcome = number % 3 === 0 ? undefined : yield* Effect.forkScoped(initial, { startImmediately: true })
            const host = yield* until(
              `the call of ${name}`,
              () => callsIn(folder).find(([, step, session]) => step === "begins" && session === name)?.[3]
            )
            return { name, tool, host, runtime, cell, outcome }
          })

          // Sessions are spread by their names: there are enough of them once each host has one of each kind.
          const started: Array<Started> = []
          const isSpread = () =>
            hosts.every((host) =>
              new Set(started.filter((each) => each.host === host.name).map(({ tool }) => tool)).size === 2
            )
          while (!isSpread()) {
            started.push(
              ...yield* Effect.forEach(Array.from({ length: 6 }, (_, index) => started.length + index), startSession, {
                concurrency: "unbounded"
              })
            )
            assert.isBelow(started.length, 100)
          }

          const ends = (name: string, tool: string, host: string) =>
            until(
              `the end of ${name}'s call at ${host}`,
              () => callsIn(folder).find((call) => call.join(" ") === `${tool} ends ${name} ${host}`)
            ).pipe(Effect.tapDefect(() => Effect.logError(callsIn(folder))))

          third.goesOn()
          killed.child.kill("SIGKILL")
          frozen.child.kill("SIGSTOP")

          // Where nothing observes a session, it goes on by itself.
          for (const { name, tool } of started) {
            if (tool === "again") {
              yield* ends(name, tool, third.name)
            }
          }
          for (const { cell, host, name, outcome, runtime, tool } of started) {
            const event = yield* outcome === undefined ? runtime.observe(cell) : Fiber.join(outcome)
            assert.strictEqual(event._tag, "Completed", name)
            const [begins, told] = textsOf(event)
            assert.strictEqual(begins, `begins ${name}`)
            if (tool === "again" || host === third.name) {
              assert.strictEqual(told, `${name} ${tool}`)
            } else {
              assert.match(
                told!,
                /^rejected: tools\.once was interrupted by the end of its process: it may have been performed/
              )
            }
            assert.deepStrictEqual(yield* runtime.storedValues, { session: name, ended: true })
          }

          // The frozen host goes on with calls that it has begun, and finds that their sessions are not its own any more.
          const lost = started.filter(({ host }) => host === frozen.name)
          const journals = Effect.forEach(lost, ({ name }) => store.load(name))
          const farewells = () => frozen.stdout().split(" is here no more").length - 1
          const before = yield* journals
          const saidBefore = farewells()
          frozen.goesOn()
          frozen.child.kill("SIGCONT")
          for (const { name, tool } of lost) {
            yield* ends(name, tool, frozen.name)
          }
          yield* until(
            `${lost.length} farewells after ${saidBefore}`,
            () => farewells() >= saidBefore + lost.length || undefined
          )
          assert.deepStrictEqual(yield* journals, before)
          const owners = (yield* store.list).map(({ owner }) => owner)
          assert.notInclude(owners, `cluster host 127.0.0.1:${frozen.name}`)

          const begun = callsIn(folder).filter(([tool, step]) => tool === "once" && step === "begins")
          assert.strictEqual(
            new Set(begun.map(([, , session]) => session)).size,
            begun.length,
            "performed at most once"
          )
        }).pipe(
          Effect.provide(
            Layer.mergeAll(Cluster.layerConnection({ sharding: Sharding.quick }), Store.layerPostgres()).pipe(
              Layer.provideMerge(Database.clientOf(socket))
            )
          )
        )
      }).pipe(Effect.scoped),
    100_000
  )
})
