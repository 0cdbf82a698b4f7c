import { describe, layer } from "@effect/vitest"
import * as V8 from "effect-code-mode/V8"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as WireCase from "./WireCase.ts"

const directory = join(import.meta.dirname, "cases")
const decode = Schema.decodeUnknownSync(WireCase.WireCases)

layer(V8.layer({ warmLanes: 0 }), { excludeTestServices: true })("the wire", (it) => {
  for (const file of globSync("*.json", { cwd: directory }).toSorted()) {
    describe.concurrent(file.replace(".json", ""), () => {
      for (const one of decode(readFileSync(join(directory, file), "utf8"))) {
        it.effect(one.name, () => Effect.timeout(WireCase.run(one), "50 seconds"))
      }
    })
  }
})
