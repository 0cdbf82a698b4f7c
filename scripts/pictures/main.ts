/** Makes the pictures of the documentation again: `npm run pictures`. Names of pictures make only those. */
import { Effect } from "effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Cancellation from "./cancellation.ts"
import * as Overview from "./overview.ts"
import * as Phases from "./phases.ts"
import * as Terminal from "./terminal.ts"

const folder = join(import.meta.dirname, "../../docs/images")

const pictures: Record<string, () => string | Promise<string>> = {
  "overview.svg": Overview.picture,
  "phases.svg": async () => Phases.picture(await import(join(import.meta.dirname, "../../src/session/CellPhase.ts"))),
  "cancellation.svg": async () => Cancellation.picture(await Effect.runPromise(Cancellation.measure)),
  "run.svg": Terminal.picture
}

const wanted = process.argv.slice(2)
mkdirSync(folder, { recursive: true })
for (const [name, make] of Object.entries(pictures)) {
  if (wanted.length === 0 || wanted.includes(name)) {
    writeFileSync(join(folder, name), await make())
    console.log(`docs/images/${name}`)
  }
}
