/**
 * Packs the package and uses it as others would: `npm run test:packed`.
 *
 * - Linters look at the tarball.
 * - In a project that has nothing else, its commands work: `npx effect-code-mode`, and a host that another program speaks to.
 * - In a project that has another version of Effect, every export loads, a program runs, and types hold. Two copies of Effect
 *   in one program do not understand each other. So there must be one, and it is the project's.
 *
 * What runs, runs on each Node that is supported.
 */
import * as assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { copyFileSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"

const root = join(import.meta.dirname, "../..")
const otherVersion = "4.1.99"
const folder = mkdtempSync(join(tmpdir(), "effect-code-mode-"))

interface Manifest {
  readonly name: string
  readonly version: string
  readonly devDependencies: Record<string, string>
  readonly exports: Record<string, unknown>
}

const read = <A>(path: string): A => JSON.parse(readFileSync(path, "utf8"))
const manifest = read<Manifest>(join(root, "package.json"))

// =============================================================================
// What is run, and where
// =============================================================================

/** Runs a command with the first `node` of the path, and gives what it prints. */
const runWith = (node: string, input?: string | Buffer) => (cwd: string, command: string, ...args: Array<string>) =>
  execFileSync(command, args, {
    cwd,
    input: input ?? "",
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` },
    timeout: 300_000
  }).toString()

const run = runWith(process.execPath)

const tell = (what: string) => console.log(`${what} (${(performance.now() / 1000).toFixed(0)} s)`)

const linter = (name: string, ...args: ReadonlyArray<string>) =>
  run(folder, process.execPath, join(root, "node_modules", name), ...args)

const project = (name: string, ...packages: ReadonlyArray<string>): string => {
  const path = join(folder, name)
  mkdirSync(path)
  writeFileSync(join(path, "package.json"), JSON.stringify({ name, private: true, type: "module" }))
  run(path, "npm", "install", "--no-audit", "--no-fund", ...packages)
  return path
}

const pack = (from: string): string => {
  const [{ filename }] = JSON.parse(run(folder, "npm", "pack", from, "--json", "--ignore-scripts", "--silent"))
  return join(folder, filename)
}

/** Effect as it is, under the version that a later one would have. */
const packOther = (): string => {
  const path = join(folder, "package", "package.json")
  run(folder, "tar", "xzf", pack(join(root, "node_modules", "effect")))
  writeFileSync(path, JSON.stringify({ ...read<Manifest>(path), version: otherVersion }))
  return pack(join(folder, "package"))
}

const nodes = [
  process.execPath,
  run(folder, "npm", "exec", "--yes", "--package=node@24", "--", "node", "--print", "process.execPath").trim()
]

// =============================================================================
// The tarball by itself
// =============================================================================

/** What a client of `code-mode-host` writes: each message behind its length. */
const frames = (...messages: ReadonlyArray<object>): Buffer =>
  Buffer.concat(messages.flatMap((message) => {
    const payload = Buffer.from(JSON.stringify(message))
    const header = Buffer.alloc(4)
    header.writeUInt32LE(payload.length)
    return [header, payload]
  }))

const request = (id: number, method: string, fields: object) => ({
  type: "operation/request",
  id,
  request: { method, sessionId: "s", ...fields }
})

const conversation = frames(
  { type: "connection/hello", supportedVersions: [1], requiredCapabilities: [], optionalCapabilities: [] },
  request(1, "session/open", {}),
  request(2, "session/execute", {
    request: { tool_call_id: "call", enabled_tools: [], source: "text(6 * 7)", yield_time_ms: 30_000 }
  })
)

/** Its client leaves when it has the result, so that the host leaves, too. */
const client = `
  import { spawn } from "node:child_process"
  const host = spawn("npx", ["code-mode-host"], { stdio: ["pipe", "pipe", "inherit"] })
  let heard = ""
  host.stdout.on("data", (bytes) => {
    heard += bytes
    if (heard.includes('{"Result":')) host.stdin.end()
  })
  host.on("close", (status) => console.log(status, heard))
  process.stdin.on("data", (bytes) => host.stdin.write(bytes))
`

const commandsWork = (path: string, node: string) => {
  assert.equal(
    runWith(node)(path, "npx", "effect-code-mode", "--version").trim().split(" ").at(-1)?.replace("v", ""),
    manifest.version
  )
  assert.equal(runWith(node, "text(6 * 7)")(path, "npx", "effect-code-mode", "run", "-"), "42\n")
  assert.match(runWith(node)(path, "npx", "effect-code-mode", "doctor"), /^✓ engine/m)
  assert.match(
    runWith(node, conversation)(path, node, "--input-type=module", "--eval", client),
    /^0 [^]*"content_items":\[\{"type":"input_text","text":"42"\}\],"error_text":null/
  )
}

// =============================================================================
// In a program
// =============================================================================

const modules = Object.keys(manifest.exports)
  .filter((path) => path !== "./package.json")
  .map((path) => manifest.name + path.slice(1))

/** Each export is there, and is no module without anything in it. */
const imports = modules.flatMap((name, index) => [
  `import * as module${index} from "${name}"`,
  `if (Object.keys(module${index}).length === 0) throw new Error("${name} is empty")`
])

const resolutions = {
  nodenext: { module: "nodenext" },
  bundler: { module: "preserve", moduleResolution: "bundler" }
}

const typesHold = (path: string) => {
  for (const [name, options] of Object.entries(resolutions)) {
    const file = join(path, `tsconfig.${name}.json`)
    const compilerOptions = {
      ...options,
      noEmit: true,
      strict: true,
      target: "es2024",
      types: ["node"],
      skipLibCheck: false
    }
    writeFileSync(file, JSON.stringify({ compilerOptions, files: ["imports.ts", "program.ts"] }))
    run(path, "npx", "tsc", "--project", file)
  }
}

const programRuns = (path: string, node: string) => {
  runWith(node)(path, node, "imports.ts")
  const result = "Completed [{\"type\":\"input_text\",\"text\":\"3\"}]"
  assert.equal(runWith(node)(path, node, "program.ts"), `here ${result}\nat a host ${result}\n`)
}

try {
  const tarball = pack(root)
  linter("publint/src/cli.js", "run", tarball, "--strict")
  linter("@arethetypeswrong/cli/dist/index.js", tarball, "--profile", "esm-only")
  tell("publint and attw find nothing wrong")

  const alone = project("alone", tarball)
  assert.deepEqual(globSync("node_modules/**/effect/package.json", { cwd: alone }), [])
  nodes.forEach((node) => commandsWork(alone, node))
  tell("commands work in a project that has nothing else")

  const of = (name: string) => `${name}@${manifest.devDependencies[name]}`
  const beside = project(
    "beside",
    packOther(),
    tarball,
    ...["@effect/platform-node", "@types/node", "typescript"].map(of)
  )
  const copies = globSync("node_modules/**/effect/package.json", { cwd: beside })
  assert.deepEqual(copies, ["node_modules/effect/package.json"])
  assert.equal(read<Manifest>(join(beside, copies[0]!)).version, otherVersion)
  writeFileSync(join(beside, "imports.ts"), imports.join("\n"))
  copyFileSync(join(root, "test/packed/program.ts"), join(beside, "program.ts"))
  typesHold(beside)
  nodes.forEach((node) => programRuns(beside, node))
  tell(`programs work and type-check beside effect ${otherVersion}, and there is one copy of it`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
