/**
 * What it costs to check a cell before it runs: `npm run bench:check [rounds]`. Times are in milliseconds; tools are those of
 * published servers, over and over again under other names. `first` is the check that starts the compiler and gives it the
 * declarations, the others are each of a source that it has not seen. `processor` is what a check takes of processors, here and in
 * the compiler (Linux); it does not depend on what else they do.
 */
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { loadavg } from "node:os"
import * as Check from "../dist/Check.js"
import * as Mcp from "../dist/Mcp.js"
import type { ToolDefinition } from "../dist/Protocol.js"
import { tools as corpus } from "../test/mcp/corpus/Corpus.ts"
import { quantile } from "./Quantile.ts"

const rounds = Number(process.argv[2] ?? 100)

const servers = Map.groupBy(corpus, ({ server }) => server)
const { tools: published } = await Effect.runPromise(
  Mcp.make(Array.from(servers, ([name, tools]): Mcp.Server => ({ name, tools, callTool: () => Effect.succeed(null) })))
)

const toolsOf = (count: number): ReadonlyArray<ToolDefinition> =>
  Array.from({ length: count }, (_, index) => {
    const tool = published[index % published.length]!
    const round = Math.floor(index / published.length)
    return round === 0 ? tool : { ...tool, name: `${tool.name}_${round}` }
  })

/** A cell as models write them. The number makes it another one. */
const source = (round: number, [first, second]: ReadonlyArray<ToolDefinition>) =>
  `const wanted = ["a${round}", "b", "c"]
const found = await Promise.all(wanted.map(async (name) => {
  const result = await tools.${first!.name}({ name })
  return { name, result }
}))
const byName = {}
for (const { name, result } of found) {
  byName[name] = result.content?.[0]?.text ?? ""
}
let best = null
for (const [name, value] of Object.entries(byName)) {
  if (best === null || value.length > byName[best].length) best = name
}
const more = await tools.${second!.name}({ query: best, limit: 10 })
store("best", { best, more })
text({ best, count: found.length, more })
`

/** Processor time that this process and the compiler have taken, in milliseconds. */
const processorTime = () => {
  const own = process.cpuUsage()
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ")
  const ticks = children.map((pid) => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" "))
    .reduce((sum, fields) => sum + Number(fields[11]) + Number(fields[12]), 0)
  return (own.user + own.system) / 1000 + ticks * 10
}

const measure = Effect.fnUntraced(function*(count: number, level: Check.Level) {
  const { check } = yield* Check.Check
  const tools = toolsOf(count)
  const times: Array<number> = []
  let busy = 0
  for (let round = 0; round <= rounds; round++) {
    if (round === 1) {
      busy = processorTime()
    }
    const start = performance.now()
    yield* check({ source: source(round, tools), tools, level })
    times.push(performance.now() - start)
  }
  const processor = (processorTime() - busy) / rounds
  const [first, ...others] = times
  const at = (share: number) => quantile(others, share).toFixed(1)
  console.log(
    [count, level, first!.toFixed(0), at(0.5), at(0.95), processor.toFixed(1)].map((cell) => String(cell).padStart(10))
      .join("")
  )
}, (effect) => Effect.provide(effect, Check.layer()))

console.log(
  `load ${loadavg()[0]!.toFixed(1)}\n${
    ["tools", "level", "first", "median", "p95", "processor"].map((head) => head.padStart(10)).join("")
  }`
)
for (const count of [10, 100, 800]) {
  await Effect.runPromise(measure(count, "names"))
  await Effect.runPromise(measure(count, "strict"))
}
