/**
 * What a session at a host costs: `npm run bench:remote`. Medians in microseconds; read the ratios.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Delegate from "effect-code-mode/Delegate"
import * as Remote from "effect-code-mode/Remote"
import * as Runtime from "effect-code-mode/Runtime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { spawn } from "node:child_process"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { median } from "./Quantile.ts"

const host = join(import.meta.dirname, "../bin/code-mode-host.js")
const path = join(mkdtempSync(join(tmpdir(), "code-mode-")), "host.sock")
const child = spawn(process.execPath, [host, "--listen", `rpc+unix://${path}`], {
  stdio: ["ignore", "pipe", "inherit"]
})
await new Promise((resolve) => child.stdout.once("data", resolve))

const delegate = Delegate.layer({
  tools: [Delegate.definition("echo", { description: "", inputSchema: {} })],
  invokeTool: ({ input }) => Effect.succeed(input ?? null)
})

type Connect = () => Layer.Layer<Remote.Connection>

const withSession = <A, E>(connect: Connect, body: Effect.Effect<A, E, Runtime.SessionRuntime>) =>
  Effect.runPromise(Effect.provide(body, Remote.layer().pipe(Layer.provide([delegate, connect()]))))

/** The time of one of `count`, in rounds. */
const time = Effect.fnUntraced(function*<E>(
  count: number,
  rounds: number,
  work: Effect.Effect<unknown, E, Runtime.SessionRuntime>,
  concurrency = 1
) {
  const times: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    const from = performance.now()
    yield* Effect.forEach(Array(count), () => work, { discard: true, concurrency })
    times.push((performance.now() - from) * 1000 / count)
  }
  return median(times)
})

const run = Effect.fnUntraced(function*(source: string) {
  const session = yield* Runtime.SessionRuntime
  const { initial } = yield* session.execute({ callId: "call", source })
  const event = yield* initial
  if (event._tag !== "Completed" || event.error !== undefined) {
    throw new Error(JSON.stringify(event).slice(0, 300))
  }
})

const say = (name: string, micros: number) => console.log(`| ${name.padEnd(28)} | ${micros.toFixed(0).padStart(8)} |`)

const request = Effect.flatMap(Runtime.SessionRuntime, ({ storedValues }) => storedValues)

const requests = Effect.gen(function*() {
  yield* time(300, 3, request)
  say("a request, in turn", yield* time(1000, 7, request))
  say("a request, 64 at once", yield* time(4000, 7, request, 64))
  yield* time(5, 3, run("text(1)"))
  say("a cell", yield* time(10, 9, run("text(1)")))
  const turn = run("for (let i = 0; i < 200; i++) await tools.echo(i)")
  say("a tool call, in turn", (yield* time(1, 15, turn)) / 200)
  const atOnce = run("await Promise.all(Array.from({ length: 2000 }, (_, i) => tools.echo(i)))")
  say("a tool call, 2,000 at once", (yield* time(1, 9, atOnce)) / 2000)
  say("1 MB in and out", yield* time(1, 9, run("text((await tools.echo('x'.repeat(1e6))).length)")))
  say("20 MB out", yield* time(1, 5, run("text('x'.repeat(2e7))")))
  say("100,000 items out", yield* time(1, 5, run("for (let i = 0; i < 100000; i++) text('line ' + i)")))
})

const hello = async (name: string, connect: Connect, count: number) => {
  const times: Array<number> = []
  for (let round = 0; round < count; round++) {
    const from = performance.now()
    await withSession(connect, Effect.sync(() => times.push(performance.now() - from)))
  }
  say(name, median(times) * 1000)
}

const ways: Record<string, readonly [hello: string, connect: Connect, count: number]> = {
  "standard input and output": [
    "start of the host, session",
    () =>
      Remote.layerProcess({ host: { command: process.execPath, args: [host, "--listen", "rpc+stdio://"], env: {} } })
        .pipe(Layer.provide(NodeServices.layer)),
    9
  ],
  "a Unix domain socket": ["connection, session", () => Remote.layerUnix(path), 40]
}
for (const [name, [first, connect, count]] of Object.entries(ways)) {
  console.log(`| ${name.padEnd(28)} |       µs |\n| ---------------------------- | -------- |`)
  await hello(first, connect, count)
  await withSession(connect, requests)
}
child.kill()
process.exit(0)
