/** The Codex CLI with a code-mode host of our choice. */
import { spawn } from "node:child_process"
import {
  chmodSync,
  constants,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Model from "./Model.ts"

const hostName = "codex-code-mode-host"
const patience = 120_000

const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`

/** Codex takes the host that lies beside it: a package like the published one, but for that. */
const makePackage = (published: string, folder: string, host: ReadonlyArray<string>) => {
  mkdirSync(join(folder, "bin"), { recursive: true })
  for (const entry of readdirSync(published)) {
    if (entry !== "bin") symlinkSync(join(published, entry), join(folder, entry))
  }
  // A copy, because Codex looks beside what it really is.
  copyFileSync(join(published, "bin", "codex"), join(folder, "bin", "codex"), constants.COPYFILE_FICLONE)
  const shim = join(folder, "bin", hostName)
  writeFileSync(shim, `#!/bin/sh\nexec ${host.map(quote).join(" ")} "$@"\n`)
  chmodSync(shim, 0o755)
  return join(folder, "bin", "codex")
}

/** What Codex speaks with its host: gRPC unless it is told otherwise, or framed JSON. */
export type Wire = "grpc" | "frames"

/** The model of a port, and nothing that asks a person. */
const base = (port: number) => `
model = "gpt-5.1-codex"
model_provider = "scripted"
approval_policy = "never"
sandbox_mode = "danger-full-access"
suppress_unstable_features_warning = true

[model_providers.scripted]
name = "scripted"
base_url = "http://127.0.0.1:${port}/v1"
wire_api = "responses"
requires_openai_auth = false
`

const codeMode = (wire: Wire) => `
[features]
code_mode = true
code_mode_only = true
${wire === "grpc" ? "" : "code_mode_host_grpc = false"}
`

/** What differs from run to run. */
const scrub = (told: ReadonlyArray<Model.Told>): ReadonlyArray<Model.Told> =>
  JSON.parse(
    JSON.stringify(told)
      .replaceAll(/Wall time [\d.]+ seconds/g, "Wall time N seconds")
      .replaceAll(/(wall_time_seconds\\*":)[\d.]+/g, "$1N")
      .replaceAll(/(chunk_id\\*":\\*")[0-9a-f]+/g, "$1X")
  )

/** Lets Codex take the turns, and gives what its model was told for each. */
const drive = async (
  toCodex: (folder: string) => string,
  config: string,
  turns: ReadonlyArray<Model.Turn>
): Promise<ReadonlyArray<Model.Told>> => {
  const folder = mkdtempSync(join(tmpdir(), "codex-run-"))
  const model = await Model.serve(turns)
  try {
    const codex = toCodex(folder)
    const [home, work] = [join(folder, "home"), join(folder, "work")]
    mkdirSync(home)
    mkdirSync(work)
    writeFileSync(join(home, "config.toml"), base(model.port) + config)
    const child = spawn(codex, ["exec", "--skip-git-repo-check", "go"], {
      cwd: work,
      env: { ...process.env, CODEX_HOME: home },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: patience,
      killSignal: "SIGKILL"
    })
    let log = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        log += text
      })
    }
    const status = await new Promise((resolve) => child.on("close", (code, signal) => resolve(code ?? signal)))
    if (status !== 0) {
      throw new Error(`codex ended with ${status}:\n${log}`)
    }
    return scrub(model.told())
  } finally {
    model.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The same with a host, over a wire. */
export const run = (
  published: string,
  host: ReadonlyArray<string>,
  wire: Wire,
  turns: ReadonlyArray<Model.Turn>
): Promise<ReadonlyArray<Model.Told>> =>
  drive((folder) => makePackage(published, join(folder, "package"), host), codeMode(wire), turns)

/** The same with an MCP server named `tools`, which is a command or at a URL, and without code mode of its own. */
export const runWithServer = (
  published: string,
  server: ReadonlyArray<string> | URL,
  turns: ReadonlyArray<Model.Turn>
): Promise<ReadonlyArray<Model.Told>> => {
  const way = server instanceof URL
    ? `url = ${JSON.stringify(server.href)}`
    : `command = ${JSON.stringify(server[0])}\nargs = ${JSON.stringify(server.slice(1))}`
  // Codex waits for it before the first turn.
  return drive(() => join(published, "bin", "codex"), `[mcp_servers.tools]\nrequired = true\n${way}\n`, turns)
}
