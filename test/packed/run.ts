/**
 * Installs the package, packed, in a project that has another version of Effect, and uses it there: `npm run test:packed`.
 *
 * Two copies of Effect in one program do not understand each other. So there must be one, and it is the project's.
 */
import * as assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { copyFileSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "../..")
const otherVersion = "4.1.99"
const folder = mkdtempSync(join(tmpdir(), "effect-code-mode-"))

const compilerOptions = "--noEmit --strict --ignoreConfig --types node --target es2024 --module nodenext".split(" ")

const run = (cwd: string, command: string, ...args: ReadonlyArray<string>) =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })

const pack = (from: string): string => {
  const [{ filename }] = JSON.parse(run(folder, "npm", "pack", from, "--json", "--ignore-scripts", "--silent"))
  return join(folder, filename)
}

/** Effect as it is, under the version that a later one would have. */
const packOther = (): string => {
  const manifest = join(folder, "package", "package.json")
  run(folder, "tar", "xzf", pack(join(root, "node_modules", "effect")))
  writeFileSync(manifest, JSON.stringify({ ...JSON.parse(readFileSync(manifest, "utf8")), version: otherVersion }))
  return pack(join(folder, "package"))
}

try {
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }))
  const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  const of = (name: string) => `${name}@${devDependencies[name]}`
  run(
    folder,
    "npm",
    "install",
    "--no-audit",
    "--no-fund",
    packOther(),
    pack(root),
    ...["@effect/platform-node", "@types/node", "typescript"].map(of)
  )

  const copies = globSync("node_modules/**/effect/package.json", { cwd: folder })
  assert.deepEqual(copies, ["node_modules/effect/package.json"])
  assert.equal(JSON.parse(readFileSync(join(folder, copies[0]!), "utf8")).version, otherVersion)

  copyFileSync(join(root, "test/packed/program.ts"), join(folder, "program.ts"))
  run(
    folder,
    "npx",
    "tsc",
    "program.ts",
    ...compilerOptions
  )
  const printed = run(folder, process.execPath, "program.ts")
  assert.match(printed, /^Completed \[\{"type":"input_text","text":"3"\}\]$/m)
  assert.match(run(folder, "npx", "effect-code-mode", "--version"), /\d+\.\d+\.\d+/)
  console.log(`the package works beside effect ${otherVersion}, and there is one copy of it`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
