/**
 * What busy cells, ten unless given, cost another one: `npm run bench:busy -- [--busy CELLS]`.
 *
 * Cells in the session of the busy ones and in another one, each beside the same cells without busy ones, in turns. The
 * busy ones come at once, or each after those before it are known to be busy.
 */
import * as Delegate from "effect-code-mode/Delegate"
import * as Protocol from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as V8 from "effect-code-mode/V8"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { cpus } from "node:os"
import { parseArgs } from "node:util"
import { median } from "./Quantile.ts"

const { values } = parseArgs({ options: { busy: { type: "string", default: "10" } } })
const busyCells = Number(values.busy)
const rounds = 8
const cellsOfARound = 15
/** Ways in which the busy cells come, with the time between two of them. */
const manners = { "at once": 0, "one by one": 150 }

const delegate = Delegate.layerTools({
  echo: Delegate.tool({ parameters: Protocol.NestedToolCall.fields.input.schema, handler: Effect.succeed })
})

const openSession = Effect.map(
  Layer.build(Layer.fresh(Runtime.layer())),
  (context) => Effect.provideContext(Runtime.SessionRuntime, context)
).pipe(Effect.flatten)

type Session = Runtime.SessionRuntime["Service"]

const cell = Effect.fnUntraced(function*(session: Session) {
  const started = performance.now()
  yield* Effect.flatMap(
    session.execute({ callId: "bench", source: "text(await tools.echo(1))" }),
    ({ initial }) => initial
  )
  return performance.now() - started
})

const measure = (session: Session) => Effect.replicateEffect(cell(session), cellsOfARound)

await Effect.gen(function*() {
  const [crowded, quiet] = [yield* openSession, yield* openSession]
  yield* Effect.all([measure(crowded), measure(quiet)])
  const times: Record<string, Array<number>> = {}
  const note = (name: string, more: ReadonlyArray<number>) => (times[name] ??= []).push(...more)

  for (let round = 0; round < rounds; round++) {
    for (const [manner, millis] of Object.entries(manners)) {
      note("no busy cell", yield* measure(crowded))
      const busy = yield* Effect.replicateEffect(
        Effect.delay(crowded.create({ callId: "busy", source: "while (true) {}" }), millis),
        busyCells
      )
      yield* Effect.sleep(200)
      note(`${busyCells} busy cells in the same session, ${manner}`, yield* measure(crowded))
      note(`${busyCells} busy cells in another session, ${manner}`, yield* measure(quiet))
      yield* Effect.forEach(busy, crowded.terminate, { concurrency: "unbounded" })
      yield* Effect.sleep(200)
    }
  }

  const base = median(times["no busy cell"]!)
  console.log(`a cell with one tool call, median of ${rounds * cellsOfARound}; ${cpus().length} processors`)
  for (const [name, all] of Object.entries(times)) {
    console.log(`${name.padEnd(48)} ${median(all).toFixed(2)} ms  ${(median(all) / base).toFixed(1)}×`)
  }
}).pipe(
  Effect.scoped,
  Effect.provide([V8.layer(), delegate]),
  Effect.runPromise
)
