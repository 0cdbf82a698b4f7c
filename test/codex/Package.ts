/** The published Codex: fetched from npm once, and unpacked into a cache. */
import { execFileSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs"
import { homedir, tmpdir } from "node:os"
import { join } from "node:path"

const version = "0.169.0"
const target = "x86_64-unknown-linux-musl"

/** The folder of the package, whose `bin` holds `codex` and its host. */
export const folder = (): string => {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "effect-code-mode")
  const unpacked = join(cache, `codex-${version}`)
  if (existsSync(unpacked)) {
    return unpacked
  }
  const temporary = mkdtempSync(join(tmpdir(), "codex-package-"))
  try {
    execFileSync("npm", ["pack", "--silent", `@openai/codex@${version}-linux-x64`], { cwd: temporary })
    const archive = readdirSync(temporary).find((file) => file.endsWith(".tgz"))!
    execFileSync("tar", ["xzf", archive], { cwd: temporary })
    mkdirSync(cache, { recursive: true })
    // Copied beside its place and then moved: what is there is whole.
    const copy = `${unpacked}.${process.pid}`
    cpSync(join(temporary, "package", "vendor", target), copy, { recursive: true })
    renameSync(copy, unpacked)
    return unpacked
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}
