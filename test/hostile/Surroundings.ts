/** What a trial takes place in: an engine, a session that has nothing to do with it, and secrets all around. */
import type { Isolate } from "effect-code-mode/Isolate"
import * as V8 from "effect-code-mode/V8"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { pathToFileURL } from "node:url"
import * as Lanes from "./Lanes.ts"
import * as Playground from "./Playground.ts"

const hostSecret = "secret-of-the-host-1f7a"
const sessionSecret = "secret-of-another-session-8c2e"

export class Surroundings extends Context.Service<Surroundings, {
  readonly engine: Layer.Layer<Isolate>
  readonly bystander: Playground.Playground
  readonly bystanderLanes: ReadonlyArray<number>
  /** Texts that no cell may ever say. */
  readonly secrets: ReadonlyArray<string>
}>()("test/hostile/Surroundings") {}

/** The engine of this checkout, or that of a copy in which a protective measure is switched off. */
const engineModule: Effect.Effect<typeof V8> = Effect.suspend(() => {
  const source = process.env["HOSTILE_ENGINE"]
  return source === undefined
    ? Effect.succeed(V8)
    : Effect.promise(() => import(/* @vite-ignore */ pathToFileURL(source).href))
})

export const layer: Layer.Layer<Surroundings, unknown> = Layer.effect(
  Surroundings,
  Effect.gen(function*() {
    process.env["HOSTILE_SECRET"] = hostSecret
    const { layer } = yield* engineModule
    // Without spare lanes every lane of this process belongs to a session that has a cell.
    const engine = Layer.succeedContext(yield* Layer.build(layer({ warmLanes: 0, warmIsolates: 1 })))
    const bystander = yield* Playground.open(engine, {
      onSaid: () => {},
      storedValues: { secret: sessionSecret }
    })
    yield* bystander.ask
    const bystanderLanes = Lanes.lanesOf(process.pid)
    return Surroundings.of({
      engine,
      bystander,
      bystanderLanes,
      secrets: [
        hostSecret,
        sessionSecret,
        Playground.canarySecret,
        // The prelude's own words, and the paths in the lane's command line.
        "flushAfterCharacters",
        "applySyncPromise",
        ...bystanderLanes.flatMap(Lanes.commandLine).filter((word) => word.startsWith("/"))
      ]
    })
  })
)
