import { describe, layer } from "@effect/vitest"
import { Isolate } from "effect-code-mode/Isolate"
import * as Runtime from "effect-code-mode/Runtime"
import * as V8 from "effect-code-mode/V8"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Cases } from "./Case.ts"
import * as Driver from "./Driver.ts"
import * as Runner from "./Runner.ts"

const directory = join(import.meta.dirname, "cases")
const decode = Schema.decodeUnknownSync(Cases)
const groups = globSync("**/*.json", { cwd: directory }).toSorted().map((file) => ({
  name: file.replace(".json", ""),
  cases: decode(readFileSync(join(directory, file), "utf8"))
}))

/** Every session on one lane: starting a process for each case would take longer than the case. */
const oneLane = (engine: Layer.Layer<Isolate>) =>
  Layer.effect(
    Isolate,
    Effect.gen(function*() {
      const { lease } = yield* Isolate
      return Isolate.of({ lease: Effect.succeed(yield* lease) })
    })
  ).pipe(Layer.provide(engine))

// What the published host refuses is among the cases.
const driver = Driver.fromLayer(Runtime.layer({ contentTakesResults: false }))

layer(oneLane(V8.layer({ warmLanes: 0 })), { excludeTestServices: true })("conformance", (it) => {
  for (const group of groups) {
    describe.concurrent(group.name, () => {
      for (const one of group.cases) {
        it.effect(one.name, () => Runner.run(one, driver))
      }
    })
  }
})
