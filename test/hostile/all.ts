/**
 * Runs every hostile script: `npm run test:hostile`. With `-- --without MEASURE` that protective measure is switched off,
 * and the run has to fail.
 */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { without } from "./Measures.ts"

const { values: { only, without: measure } } = parseArgs({
  options: { without: { type: "string" }, only: { type: "string" } }
})
const vitest = fileURLToPath(new URL("../../node_modules/vitest/vitest.mjs", import.meta.url))
const { status } = spawnSync(process.execPath, [vitest, "run", "test/hostile/Hostile.test.ts"], {
  stdio: "inherit",
  cwd: fileURLToPath(new URL("../../", import.meta.url)),
  env: {
    ...process.env,
    HOSTILE: "all",
    ...(only === undefined ? {} : { HOSTILE_ONLY: only }),
    ...(measure === undefined ? {} : { HOSTILE_WITHOUT: measure, HOSTILE_ENGINE: without(measure) })
  }
})
process.exitCode = status ?? 1
