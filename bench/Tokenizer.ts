/** What counts tokens (`o200k_base`). It is installed into a folder of its own for the time of a run. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"

const folder = mkdtempSync(join(tmpdir(), "effect-code-mode-"))
process.on("exit", () => rmSync(folder, { recursive: true }))

execFileSync(
  "npm",
  ["install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", "gpt-tokenizer@4.0.0"],
  { stdio: ["ignore", "ignore", "inherit"] }
)

export const countTokens: (text: string) => number = createRequire(join(folder, "package.json"))(
  "gpt-tokenizer/encoding/o200k_base"
).countTokens
