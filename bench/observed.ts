/**
 * What watching and tracing cost a tool call, and that they cost nothing when off: this checkout, and other ones,
 * interleaved in one run.
 *
 * `npm run bench:observed -- [--rounds N] [CHECKOUT]...`. Microseconds for one of 200 calls in sequence,
 * medians; read the ratios.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { basename, join } from "node:path"
import { parseArgs } from "node:util"
import { median } from "./Quantile.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "60" } }
})
const rounds = Number(values.rounds)
const calls = 200

/** A tracer of somebody's, that keeps nothing. */
const tracer = Tracer.make({ span: (options) => new Tracer.NativeSpan(options) })

const program = `for (let i = 0; i < ${calls}; i++) await tools.echo({ i })`

interface Side {
  readonly name: string
  readonly run: () => Promise<unknown>
}

const scope = Scope.makeUnsafe()

/** A session of a checkout's, with real cells, that is watched or traced, or neither. */
const open = async (name: string, folder: string, how?: "watched" | "traced"): Promise<Side> => {
  const load = (module: string) => import(join(folder, "dist", `${module}.js`))
  const [Runtime, Delegate, V8] = await Promise.all([load("Runtime"), load("Delegate"), load("V8")])
  const delegate = Delegate.layer({
    tools: [Delegate.definition("echo", { description: "", inputSchema: {} })],
    invokeTool: ({ input }: { readonly input: unknown }) => Effect.succeed(input)
  })
  const layer = Runtime.layer().pipe(Layer.provide([delegate, V8.layer()]))
  const traced = how === "traced" ? Effect.provideService(Tracer.Tracer, tracer) : (self: Effect.Effect<any>) => self
  const context = await Effect.runPromise(traced(Layer.buildWithScope(layer, scope) as Effect.Effect<any>))
  const session = context.mapUnsafe.get(Runtime.SessionRuntime.key)
  if (how === "watched") {
    Effect.runFork(Stream.runDrain(session.activity))
  }
  const cell = Effect.flatMap(session.execute({ callId: "call", source: program }), ({ initial }: any) => initial)
  return {
    name: how === undefined ? name : `${name}, ${how}`,
    run: () => Effect.runPromise(cell as Effect.Effect<any>)
  }
}

const here = join(import.meta.dirname, "..")
const sides = [
  ...await Promise.all(positionals.map((folder) => open(basename(folder), folder))),
  await open("this", here),
  await open("this", here, "watched"),
  await open("this", here, "traced")
]

const times = new Map(sides.map((side) => [side, Array<number>()]))
for (let round = -5; round < rounds; round++) {
  for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
    const from = performance.now()
    await side.run()
    if (round >= 0) {
      times.get(side)!.push((performance.now() - from) * 1000 / calls)
    }
  }
}
await Effect.runPromise(Scope.close(scope, Exit.void))

const first = median(times.get(sides[0]!)!)
console.log("| side | µs for a call | of the first |\n| --- | --- | --- |")
for (const side of sides) {
  const figure = median(times.get(side)!)
  console.log(`| ${side.name} | ${figure.toFixed(1)} | ${(figure / first).toFixed(3)} |`)
}
process.exit(0)
