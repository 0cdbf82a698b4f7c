/**
 * Our host beside others, interleaved in one run, driven by one client: the published one, or other checkouts of ours.
 *
 * `npm run bench:codex -- [--rounds FACTOR] [--only WORDS] [--grpc] [CHECKOUT | PATH_TO_PUBLISHED_HOST]...`. Times are
 * medians in milliseconds; read the ratios, which are those of the first column by the other's. Below a time stands what a
 * round takes of the processors, in the host and its lanes, which a busy machine changes less. `--only` takes the lines
 * whose name has one of these words, with commas between them. With `--grpc` each host has a column for gRPC, too, and the
 * first one is ours.
 */
import { statSync } from "node:fs"
import { basename, join } from "node:path"
import { parseArgs } from "node:util"
import { GrpcHost } from "./GrpcHost.ts"
import { type BenchHost, fewTools, Host } from "./Host.ts"
import { median } from "./Quantile.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "1" },
    only: { type: "string", default: "" },
    grpc: { type: "boolean", default: false }
  }
})
const factor = Number(values.rounds)
const only = values.only.split(",")

interface Side {
  readonly name: string
  readonly start: () => BenchHost
}

/** The columns of a host, which its command starts. */
const columns = (name: string, command: string, ...args: ReadonlyArray<string>): ReadonlyArray<Side> => [
  ...(values.grpc ? [{ name: `${name}, gRPC`, start: () => new GrpcHost(command, args) }] : []),
  { name, start: () => new Host(command, args) }
]

const checkout = (name: string, folder: string) =>
  columns(name, process.execPath, join(folder, "bin/code-mode-host.js"))

const sides: ReadonlyArray<Side> = [
  ...checkout("ours", join(import.meta.dirname, "..")),
  ...positionals.flatMap((path) =>
    statSync(path).isDirectory() ? checkout(basename(path), path) : columns(basename(path), path)
  )
]

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

const show = (figure: number | undefined, unit: string) =>
  figure === undefined ? "fails" : `${figure.toFixed(figure < 10 ? 2 : 0)} ${unit}`

const row = (cells: ReadonlyArray<string>) => console.log(`| ${cells.join(" | ")} |`)

row(["what", ...sides.map(({ name }) => name), ...sides.slice(1).map(({ name }) => `${sides[0]!.name} / ${name}`)])
row(Array(2 * sides.length).fill("---"))

/** A host that answers nothing has failed. */
const mostMillis = 120_000

const within = (work: Promise<number>) =>
  Promise.race([
    work,
    new Promise<never>((_, reject) => setTimeout(reject, mostMillis, new Error("too late")).unref())
  ])

/** A line of the table. A host that is lost or fails has no figure. */
const line = (name: string, figures: ReadonlyArray<number | undefined>, unit: string) => {
  const [ours, ...others] = figures
  row([
    name,
    ...figures.map((figure) => show(figure, unit)),
    ...others.map((other) => ours === undefined || other === undefined ? "" : (ours / other).toFixed(2))
  ])
}

const isWanted = (name: string) => only.some((word) => name.includes(word))

/** Rounds of all hosts in turn. */
const compare = async (name: string, few: number, work: (side: Side) => Promise<number>, unit = "ms") => {
  if (!isWanted(name)) {
    return
  }
  const rounds = Math.ceil(few * factor)
  const figures = new Map(sides.map((side) => [side, Array<number>()]))
  const failed = new Set<Side>()
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      if (!failed.has(side)) {
        await within(work(side)).then((figure) => figures.get(side)!.push(figure), () => failed.add(side))
      }
    }
  }
  line(name, sides.map((side) => failed.has(side) ? undefined : median(figures.get(side)!)), unit)
}

const time = async (work: () => Promise<unknown>) => {
  const from = performance.now()
  await work()
  return performance.now() - from
}

await compare("cold start to first result", 7, async (side) => {
  const from = performance.now()
  const host = await side.start().open()
  await host.run("text(1)")
  const took = performance.now() - from
  host.end()
  return took
})

const warm = new Map<Side, BenchHost>()
for (const side of sides) {
  const host = await side.start().open()
  await host.run("text(1)")
  warm.set(side, host)
}

const restMillis = 10
/** What a host does once it has answered, such as to prepare for the next cells. */
const settleMillis = 100

const timed = async (name: string, few: number, work: (host: BenchHost) => Promise<unknown>) => {
  if (!isWanted(name)) {
    return
  }
  const cpu = () => sides.map((side) => warm.get(side)!.cpuMillis())
  const before = cpu()
  await compare(name, few, async (side) => {
    await pause(restMillis)
    return time(() => work(warm.get(side)!))
  })
  await pause(settleMillis)
  const rounds = Math.ceil(few * factor)
  line(`— processor time`, cpu().map((after, index) => (after - before[index]!) / rounds), "ms")
}

const manyTools = [...fewTools, ...Array.from({ length: 97 }, (_, index) => `tool_${index}`)]
await timed("a cell", 60, (host) => host.run("text(1)"))
await timed("a cell with one tool call", 60, (host) => host.run("text(await tools.echo(1))"))
await timed("a cell with 100 tools", 30, (host) => host.run("text(await tools.echo(1))", undefined, manyTools))
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
    const { cell } = await warm.get(side)!.run(source, 100)
    return time(() => warm.get(side)!.terminate(cell))
  })
await terminate("terminate a busy loop", "while (true) {}")
await terminate("terminate with a cooperative call", "await tools.polite()")
await terminate("terminate with a deaf call", "await tools.deaf()")
// Last, and each on a host of its own: the published one does not survive it.
await compare("5,000 parallel calls", 3, async (side) => {
  const host = await side.start().open()
  try {
    return await time(() => host.run("await Promise.all(Array.from({ length: 5000 }, (_, i) => tools.echo(i)))"))
  } finally {
    host.end()
  }
})
/** A host may give memory back of what has waited for a while. */
const idleMillis = 4_000
for (const cells of [0, 200, 1000]) {
  await compare(`memory with ${cells} idle cells`, 1, async (side) => {
    const host = await side.start().open()
    await host.run("text(1)")
    for (let cell = 0; cell < cells; cell++) {
      await host.run("await tools.deaf()", 0)
    }
    await pause(idleMillis)
    const memory = host.memory()
    host.end()
    return memory
  }, "MiB")
}

warm.forEach((host) => host.end())
process.exit(0)
