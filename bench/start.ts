/**
 * How long it takes until a program is there: of this checkout, of other ones, and of the published host; interleaved
 * in one run.
 *
 * `npm run build && npm run bench:start -- [--rounds N] [CHECKOUT | PATH_TO_PUBLISHED_HOST]...`. Medians; memory is
 * resident, in MiB.
 */
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { parseArgs, promisify } from "node:util"
import { Host } from "./Host.ts"
import { median } from "./Quantile.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "15" } }
})
const rounds = Number(values.rounds)
const run = promisify(execFile)

/** Something to start. Only a checkout has the command line. */
interface Side {
  readonly name: string
  readonly host: (env?: NodeJS.ProcessEnv) => Host
  readonly command?: (args: ReadonlyArray<string>) => Promise<unknown>
}

const bin = (folder: string, name: string) => join(folder, "bin", `${name}.js`)

const checkout = (name: string, folder: string): Side => ({
  name,
  host: (env) => new Host(process.execPath, [bin(folder, "code-mode-host")], env),
  command: (args) => run(process.execPath, [bin(folder, "effect-code-mode"), ...args])
})

const sides: ReadonlyArray<Side> = [
  checkout("this", join(import.meta.dirname, "..")),
  ...positionals.map((path): Side =>
    statSync(path).isDirectory()
      ? checkout(basename(path), path)
      : { name: basename(path), host: (env) => new Host(path, [], env) }
  )
]

const rows: Array<ReadonlyArray<string>> = []

/** Rounds of all sides in turn. */
const compare = async (
  name: string,
  measure: (side: Side) => Promise<number> | undefined,
  unit = "ms"
) => {
  const figures = new Map(sides.map((side) => [side, Array<number>()]))
  // One to warm up: the system's file cache, V8's compile cache.
  for (let round = -1; round < rounds; round++) {
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      const figure = await measure(side)
      if (figure !== undefined && round >= 0) {
        figures.get(side)!.push(figure)
      }
    }
  }
  rows.push([
    name,
    ...sides.map((side) => {
      const all = figures.get(side)!
      return all.length === 0 ? "" : `${median(all).toFixed(0)} ${unit}`
    })
  ])
}

const time = async (work: () => Promise<unknown>) => {
  const from = performance.now()
  await work()
  return performance.now() - from
}

const folder = mkdtempSync(join(tmpdir(), "bench-start-"))
const cell = join(folder, "cell.js")
writeFileSync(cell, "text(6 * 7)")

const withHost = async (side: Side, use: (host: Host) => Promise<unknown>, env?: NodeJS.ProcessEnv) => {
  const from = performance.now()
  const host = side.host(env)
  await use(host)
  const took = performance.now() - from
  // V8's compile cache is written at an orderly end.
  await host.leave()
  return took
}

const firstResult = async (host: Host) => {
  await host.open()
  await host.run("text(1)")
}

await compare(
  "`node --eval 0`",
  (side) => side.command === undefined ? undefined : time(() => run(process.execPath, ["--eval", "0"]))
)
await compare("host: handshake", (side) => withHost(side, (host) => host.hello()))
await compare("host: first result", (side) => withHost(side, firstResult))
await compare("host: first result, nothing cached", async (side) => {
  const cache = mkdtempSync(join(folder, "cache-"))
  return await withHost(side, firstResult, { ...process.env, NODE_COMPILE_CACHE: cache })
})
for (const args of [["--version"], ["run", cell], ["doctor"]]) {
  await compare(
    `\`effect-code-mode ${args[0]}\``,
    ({ command }) => command === undefined ? undefined : time(() => command(args))
  )
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 500))

const memory = async (side: Side, withLanes: boolean) => {
  const host = await side.host().open()
  await host.run("text(1)")
  await settle()
  const figure = host.memory(withLanes)
  await host.leave()
  return figure
}
await compare("memory of the host", (side) => memory(side, false), "MiB")
await compare("memory with its lanes", (side) => memory(side, true), "MiB")

console.log(`| what | ${sides.map(({ name }) => name).join(" | ")} |\n| --- |${" --- |".repeat(sides.length)}`)
for (const row of rows) {
  console.log(`| ${row.join(" | ")} |`)
}
rmSync(folder, { recursive: true })
