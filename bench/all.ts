/**
 * The benchmarks that a change of speed is judged by, one after the other: `npm run bench`. It takes some ten minutes, and
 * wants a machine that does nothing else. The published host and the other systems are fetched from npm.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { cpus } from "node:os"
import { join } from "node:path"
import * as Published from "../test/codex/Package.ts"

const root = join(import.meta.dirname, "..")
const host = join(Published.folder(), "bin", "codex-code-mode-host")

const benchmarks: ReadonlyArray<readonly [title: string, ...command: ReadonlyArray<string>]> = [
  ["Beside the published host", "bench:codex", host],
  ["Cold start", "bench:start", host],
  ["Beside other systems, in process", "bench:peers"],
  ["How costs grow", "bench:growth"],
  ["Busy neighbours", "bench:busy"],
  ["The host's own delay", "bench:delay"],
  ["Sessions at a host of our own", "bench:remote"],
  ["Checks of typed cells", "bench:check"]
]

const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: root, encoding: "utf8" }).trim()
console.log(`Commit ${commit}, Node ${process.version}, ${cpus().length} of ${cpus()[0]!.model}`)

let failed = false
for (const [title, script, ...args] of benchmarks) {
  console.log(`\n## ${title}\n`)
  const { status } = spawnSync("npm", ["run", "--silent", script!, "--", ...args], { cwd: root, stdio: "inherit" })
  failed ||= status !== 0
}
process.exitCode = failed ? 1 : 0
