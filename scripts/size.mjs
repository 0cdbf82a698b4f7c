// What an installation takes: `npm run size`. Packs this package, installs it in an empty project, once alone and once
// with the packages that a program needs beside it, and counts the bytes of all files.
import { execFileSync } from "node:child_process"
import { globSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")
const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

const npm = (cwd, ...args) => execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })

const megabytes = (bytes) => (bytes / 1e6).toFixed(1).padStart(6)

const measure = (title, ...packages) => {
  const folder = mkdtempSync(join(tmpdir(), "size-"))
  try {
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }))
    const [{ filename }] = JSON.parse(npm(folder, "pack", root, "--json", "--ignore-scripts"))
    npm(folder, "install", "--no-audit", "--no-fund", join(folder, filename), ...packages)
    const sizes = new Map()
    for (const file of globSync("node_modules/**", { cwd: folder, withFileTypes: true })) {
      const path = join(file.parentPath, file.name).slice(folder.length + 1)
      const [, name] = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path) ?? []
      if (file.isFile() && name !== undefined) {
        sizes.set(name, (sizes.get(name) ?? 0) + statSync(join(folder, path)).size)
      }
    }
    const total = Array.from(sizes.values()).reduce((sum, size) => sum + size, 0)
    console.log(`\n${title}: ${megabytes(total).trim()} MB`)
    for (const [name, size] of Array.from(sizes).sort(([, a], [, b]) => b - a)) {
      console.log(`${megabytes(size)}  ${name}`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const of = (name) => `${name}@${devDependencies[name]}`
measure("the commands")
measure("with what a program needs", of("effect"), of("@effect/platform-node"))
measure("with the compiler for checks", of("effect"), of("@effect/platform-node"), of("typescript"))
