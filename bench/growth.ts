/**
 * How costs grow: calls of a cell, live cells, sessions, and the length of results.
 *
 * `npm run bench:growth -- [--only WORDS]`. Times are in milliseconds and memory in MiB, the median of three runs. The
 * exponent says how cost grows from the line above: 1 is linear, less is better.
 */
import { parseArgs } from "node:util"
import { Host } from "./Host.ts"
import { median } from "./Quantile.ts"

const { values } = parseArgs({ options: { only: { type: "string", default: "" } } })
const only = values.only.split(",")

const start = () => new Host(process.execPath, [`${import.meta.dirname}/../bin/code-mode-host.js`]).open()

const row = (cells: ReadonlyArray<string>) => console.log(`| ${cells.join(" | ")} |`)

row(["what", "how many", "cost", "for each", "exponent"])
row(Array(5).fill("---"))

const grow = async (
  what: string,
  sizes: ReadonlyArray<number>,
  unit: string,
  measure: (host: Host, size: number) => Promise<number>,
  rounds = 3
) => {
  if (!only.some((word) => what.includes(word))) {
    return
  }
  let before: { readonly size: number; readonly cost: number } | undefined
  for (const size of sizes) {
    const figures: Array<number> = []
    for (let round = 0; round < rounds; round++) {
      const host = await start()
      await host.run("text(1)")
      figures.push(await measure(host, size))
      host.end()
    }
    const cost = median(figures)
    const exponent = before === undefined
      ? ""
      : (Math.log(cost / before.cost) / Math.log(size / before.size)).toFixed(2)
    row([what, String(size), `${cost.toFixed(1)} ${unit}`, `${(cost / size).toPrecision(3)} ${unit}`, exponent])
    before = { size, cost }
  }
}

const time = async (work: () => Promise<unknown>) => {
  const from = performance.now()
  await work()
  return performance.now() - from
}

await grow(
  "calls in sequence",
  [1, 10, 100, 1000, 10_000],
  "ms",
  (host, size) => time(() => host.run(`for (let i = 0; i < ${size}; i++) await tools.echo(i)`))
)

await grow(
  "calls at once",
  [1, 10, 100, 1000, 10_000],
  "ms",
  (host, size) => time(() => host.run(`await Promise.all(Array.from({ length: ${size} }, (_, i) => tools.echo(i)))`))
)

const keep = async (host: Host, size: number) => {
  for (let cell = 0; cell < size; cell++) {
    await host.run("await tools.deaf()", 0)
  }
}

await grow("live cells, time", [1, 10, 100, 1000], "ms", (host, size) => time(() => keep(host, size)), 1)

await grow("live cells, memory", [10, 100, 1000], "MiB", async (host, size) => {
  const before = host.memory()
  await keep(host, size)
  await new Promise((resolve) => setTimeout(resolve, 500))
  return host.memory() - before
}, 1)

await grow("sessions", [1, 10, 100, 500], "ms", (host, size) =>
  time(async () => {
    for (let session = 0; session < size; session++) {
      await host.request({ method: "session/open", sessionId: `session ${session}` })
    }
  }))

await grow(
  "kB in and out",
  [1, 32, 1024, 32_768],
  "ms",
  (host, size) => time(() => host.run(`text((await tools.echo('x'.repeat(${size * 1024}))).length)`))
)

process.exit(0)
