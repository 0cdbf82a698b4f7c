/**
 * How long a session is without a host when its own is killed: from `kill -9` to the call that is made again.
 *
 * `npm run bench:cluster -- --kills 20`
 */
import { Effect, Layer, Schedule } from "effect"
import * as Cluster from "effect-code-mode/Cluster"
import * as SqlClient from "effect/sql/SqlClient"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as Process from "../test/cli/Process.ts"
import * as Database from "../test/postgres/Database.ts"
import { quantile } from "./Quantile.ts"

const { values } = parseArgs({ options: { kills: { type: "string", default: "20" } } })
const kills = Number(values.kills)

const fixture = fileURLToPath(new URL("../test/cluster/fixtures/host.ts", import.meta.url))

const main = Effect.gen(function*() {
  const folder = yield* Process.folder
  const socket = yield* Database.socket
  const sql = yield* SqlClient.SqlClient
  const { session } = yield* Cluster.Connection
  const ports = [34_501, 34_502, 34_503]

  const start = (port: number) =>
    Effect.tap(
      Process.start(process.execPath, [fixture, socket, String(port), folder]),
      ({ printed }) => printed("ready")
    )
  const hosts = new Map<string, Process.Running>()
  for (const port of ports) {
    hosts.set(String(port), yield* start(port))
  }

  const settled = Effect.repeat(
    sql<{ readonly hosts: number; readonly shards: number }>`
      SELECT count(DISTINCT pid)::int4 AS hosts, count(*)::int4 AS shards FROM pg_locks
      WHERE locktype = 'advisory' AND granted`,
    {
      until: ([held]) => held?.hosts === ports.length && held.shards === 100,
      schedule: Schedule.spaced("100 millis")
    }
  )

  const begun = (name: string, isElsewhere: (port: string) => boolean) =>
    Effect.map(
      Effect.repeat(
        Effect.sync(() =>
          (existsSync(join(folder, "calls")) ? readFileSync(join(folder, "calls"), "utf8") : "").split("\n")
            .map((line) => line.split(" "))
            .find(([, , session, port]) => session === name && isElsewhere(port!))?.[3]
        ),
        { until: (port) => port !== undefined, schedule: Schedule.spaced("10 millis") }
      ),
      (port) => port!
    )

  const times: Array<number> = []
  for (let round = 1; round <= kills; round++) {
    yield* settled
    const name = `round-${round}`
    const runtime = yield* session({ session: name })
    const cell = yield* runtime.create({
      callId: "call-1",
      source: `text(await tools.again({ session: "${name}" }))`
    })
    const port = yield* begun(name, () => true)
    // Not always at the same point of the cluster's own rhythm.
    yield* Effect.sleep(`${(round * 370) % 3000} millis`)
    const killed = performance.now()
    hosts.get(port)!.child.kill("SIGKILL")
    yield* begun(name, (other) => other !== port)
    const time = performance.now() - killed
    times.push(time)
    process.stdout.write(`${round}: ${(time / 1000).toFixed(1)} s\n`)
    yield* runtime.terminate(cell)
    hosts.set(port, yield* start(Number(port)))
  }
  const at = (share: number) => (quantile(times, share) / 1000).toFixed(1)
  process.stdout.write(`without a host, of ${times.length}: median ${at(0.5)} s, p95 ${at(0.95)} s, most ${at(1)} s\n`)
})

const layer = Layer.unwrap(Effect.map(
  Database.socket,
  (socket) => Layer.provideMerge(Cluster.layerConnection(), Database.clientOf(socket))
))

await Effect.runPromise(Effect.scoped(Effect.provide(main, layer)))
