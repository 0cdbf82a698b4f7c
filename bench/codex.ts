/**
 * Our host beside the published one, interleaved in one run, driven by one client.
 *
 * `npm run bench:codex -- PATH_TO_PUBLISHED_HOST`. Times are medians in milliseconds; read the ratios.
 */
import { fileURLToPath } from "node:url"
import { Host } from "./Host.ts"

const published = process.argv[2]
if (published === undefined) {
  console.error("usage: npm run bench:codex -- PATH_TO_PUBLISHED_HOST")
  process.exit(2)
}
const ours = fileURLToPath(new URL("../bin/code-mode-host.js", import.meta.url))

const start = {
  ours: () => new Host(process.execPath, [ours]),
  published: () => new Host(published, [])
}
type Side = keyof typeof start
const sides: ReadonlyArray<Side> = ["ours", "published"]

const median = (times: ReadonlyArray<number>) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!

const rows: Array<readonly [name: string, ours: number | undefined, published: number | undefined, unit: string]> = []

/** Rounds of both hosts in turn. A host that is lost or fails has no figure. */
const compare = async (name: string, rounds: number, work: (side: Side) => Promise<number>, unit = "ms") => {
  const figures: Record<Side, Array<number>> = { ours: [], published: [] }
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      try {
        figures[side].push(await work(side))
      } catch {
        // Told by the missing figure.
      }
    }
  }
  const of = (side: Side) => figures[side].length === rounds ? median(figures[side]) : undefined
  rows.push([name, of("ours"), of("published"), unit])
}

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

const time = async (work: () => Promise<unknown>) => {
  const from = performance.now()
  await work()
  return performance.now() - from
}

await compare("cold start to first result", 7, async (side) => {
  const from = performance.now()
  const host = await start[side]().open()
  await host.run("text(1)")
  const took = performance.now() - from
  host.end()
  return took
})

const warm: Record<Side, Host> = { ours: await start.ours().open(), published: await start.published().open() }
for (const side of sides) {
  await warm[side].run("text(1)")
}
const timed = (name: string, rounds: number, work: (host: Host) => Promise<unknown>) =>
  compare(name, rounds, async (side) => {
    await pause(10)
    return time(() => work(warm[side]))
  })

await timed("a cell", 60, (host) => host.run("text(1)"))
await timed("a cell with one tool call", 60, (host) => host.run("text(await tools.echo(1))"))
await timed("200 sequential calls", 9, (host) => host.run("for (let i = 0; i < 200; i++) await tools.echo(i)"))
await timed(
  "100 parallel calls",
  15,
  (host) => host.run("await Promise.all(Array.from({ length: 100 }, (_, i) => tools.echo(i)))")
)
await timed(
  "64 concurrent cells",
  5,
  (host) => Promise.all(Array.from({ length: 64 }, () => host.run("text(await tools.echo(1))")))
)
await timed("1 MB in and out", 9, (host) => host.run("text((await tools.echo('x'.repeat(1e6))).length)"))
const terminate = (name: string, source: string) =>
  compare(name, 7, async (side) => {
    const { cell } = await warm[side].run(source, 100)
    return time(() => warm[side].terminate(cell))
  })
await terminate("terminate a busy loop", "while (true) {}")
await terminate("terminate with a cooperative call", "await tools.polite()")
await terminate("terminate with a deaf call", "await tools.deaf()")
// Last, and each on a host of its own: the published one does not survive it.
await compare("5,000 parallel calls", 3, async (side) => {
  const host = await start[side]().open()
  try {
    return await time(() => host.run("await Promise.all(Array.from({ length: 5000 }, (_, i) => tools.echo(i)))"))
  } finally {
    host.end()
  }
})
for (const cells of [0, 200, 1000]) {
  await compare(`memory with ${cells} idle cells`, 1, async (side) => {
    const host = await start[side]().open()
    await host.run("text(1)")
    for (let cell = 0; cell < cells; cell++) {
      await host.run("await tools.deaf()", 0)
    }
    await pause(500)
    const memory = host.memory()
    host.end()
    return memory
  }, "MiB")
}

const show = (figure: number | undefined, unit: string) =>
  figure === undefined ? "fails" : `${figure.toFixed(figure < 10 ? 2 : 0)} ${unit}`

console.log("| what | ours | published | ours / published |\n| --- | --- | --- | --- |")
for (const [name, a, b, unit] of rows) {
  const ratio = a === undefined || b === undefined ? "" : (a / b).toFixed(2)
  console.log(`| ${name} | ${show(a, unit)} | ${show(b, unit)} | ${ratio} |`)
}
for (const side of sides) {
  warm[side].end()
}
process.exit(0)
