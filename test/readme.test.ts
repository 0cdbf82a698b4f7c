import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"

const root = join(import.meta.dirname, "..")
const read = (path: string) => readFileSync(join(root, path), "utf8")

const block = (language: string, after: string) => {
  const readme = read("README.md")
  const found = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(readme.slice(readme.indexOf(after)))
  assert(found !== null, `README.md has no ${language} block after "${after}"`)
  return found[1]!
}

describe("README.md", () => {
  it("shows the program of examples/readme.ts", () => {
    assert.strictEqual(block("ts", "## "), read("examples/readme.ts"))
  })

  it("shows a part of examples/toolkit.ts", () => {
    assert.include(read("examples/toolkit.ts"), block("ts", "## For a model"))
  })

  it("shows what that program prints", async () => {
    const { stderr, stdout } = await promisify(execFile)(process.execPath, [join(root, "examples/readme.ts")])
    assert.strictEqual(stdout, block("text", "It prints"))
    assert.match(stderr, /^([^\n]*INFO[^\n]*\n)*[^\n]*WARN[^\n]*abandoned[^\n]*audit[^]*cellId[^]*\n$/)
  })
})
