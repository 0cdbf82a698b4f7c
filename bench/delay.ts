/**
 * How late a host is to what happens, while cells compute and long results pass: the delay of its event loop.
 *
 * `npm run bench:delay -- [CHECKOUT]...`. Each figure is of a host of its own, which is watched by a module that it loads first.
 *
 * A step that takes long is one sample, as is one that takes a millisecond. How long something waits that comes at any time
 * is the last column: it comes during a long step as much more often, and waits for what is left of it.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { Host } from "./Host.ts"

const { positionals } = parseArgs({ allowPositionals: true })
const checkouts = [join(import.meta.dirname, ".."), ...positionals]

const watchedMillis = 5_000
const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

const folder = mkdtempSync(join(tmpdir(), "bench-delay-"))

/** Watches from the first signal on, and writes at the second. The interval that it waits for is no delay. */
const watcher = (file: string) =>
  `data:text/javascript,${
    encodeURIComponent(`
  import { writeFileSync } from "node:fs"
  import { monitorEventLoopDelay } from "node:perf_hooks"
  const delay = monitorEventLoopDelay({ resolution: 1 })
  process.once("SIGUSR2", () => {
    const from = performance.now()
    delay.enable()
    process.once("SIGUSR2", () => {
      delay.disable()
      const watched = performance.now() - from
      const millis = (nanos) => Math.max(0, nanos / 1e6 - 1)
      const { count, max, mean, stddev } = delay
      const squares = count * (millis(mean) ** 2 + (stddev / 1e6) ** 2)
      writeFileSync(${
      JSON.stringify(file)
    }, JSON.stringify([50, 99, 99.9].map((p) => millis(delay.percentile(p))).concat(millis(max), squares / (2 * watched))))
    })
  })
`)
  }`

const busyCells = 64
const longCharacters = 32 * 2 ** 20

/** Results of 32 MB, one after the other. */
const pass = async (host: Host, session: string) => {
  await host.open(session)
  const source = `const long = "x".repeat(${longCharacters}); while (true) await tools.echo(long)`
  await host.run(source, 0, undefined, session)
}

const compute = async (host: Host) => {
  for (let cell = 0; cell < busyCells; cell++) {
    await host.run("while (true) {}", 0)
  }
}

const work: Readonly<Record<string, (host: Host) => Promise<unknown>>> = {
  nothing: async () => {},
  "64 busy cells": compute,
  "32 MB results": (host) => pass(host, "other"),
  "both, in two sessions": async (host) => {
    await compute(host)
    await pass(host, "other")
  }
}

let round = 0
const row = (cells: ReadonlyArray<string>) => console.log(`| ${cells.join(" | ")} |`)
row(["the host's delay beside", ...["median", "p99", "p99.9", "longest", "mean wait"].map((what) => `${what}, ms`)])
row(Array(6).fill("---"))
for (const [name, start] of Object.entries(work)) {
  for (const checkout of checkouts) {
    const file = join(folder, String(++round))
    const host = new Host(process.execPath, ["--import", watcher(file), join(checkout, "bin/code-mode-host.js")])
    await host.open()
    await host.run("text(1)")
    await start(host)
    host.child.kill("SIGUSR2")
    await pause(watchedMillis)
    host.child.kill("SIGUSR2")
    const figures = await written(file)
    row([checkouts.length > 1 ? `${name} (${checkout})` : name, ...figures.map((millis) => millis.toFixed(1))])
    host.end()
  }
}

/** What the watcher has found, once it has come to write it. */
async function written(file: string): Promise<ReadonlyArray<number>> {
  for (let attempt = 0; attempt < 300; attempt++) {
    try {
      return JSON.parse(readFileSync(file, "utf8"))
    } catch {
      await pause(100)
    }
  }
  throw new Error("the host does not answer")
}

rmSync(folder, { recursive: true })
process.exit(0)
