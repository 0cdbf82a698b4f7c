/** The examples in the documentation of public modules compile, each as a module of its own. */
import { assert, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { promisify } from "node:util"

const root = join(import.meta.dirname, "..")
const folder = join(root, ".tsbuild/jsdoc")

/** The code in the comments of a source, as it is written there. */
const examplesIn = (source: string): ReadonlyArray<string> =>
  Array.from(source.matchAll(/^\/\*\*\n[^]*?\*\/$/gm), ([comment]) => comment.replace(/^ \*(?: |$)/gm, "")).flatMap(
    (comment) => Array.from(comment.matchAll(/^```ts\n([^]*?)^```$/gm), ([, code = ""]) => code)
  )

it("examples in comments compile", async () => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const examples = globSync("src/*.ts", { cwd: root }).flatMap((file) =>
    examplesIn(readFileSync(join(root, file), "utf8")).map((code, index) => ({
      name: `${basename(file, ".ts")}-${index + 1}.ts`,
      code
    }))
  )
  assert.isAbove(examples.length, 30)
  for (const { code, name } of examples) {
    writeFileSync(join(folder, name), code)
  }
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: "../../tsconfig.test.json",
      references: [{ path: "../../tsconfig.src.json" }],
      include: ["*.ts"],
      compilerOptions: {
        rootDir: "../..",
        // An example shows a thing, and does not use it.
        noUnusedLocals: false,
        tsBuildInfoFile: "./tsconfig.tsbuildinfo",
        paths: { "effect-code-mode": ["../../src/index.ts"], "effect-code-mode/*": ["../../src/*.ts"] }
      }
    })
  )
  const checked = await promisify(execFile)(
    process.execPath,
    [join(root, "node_modules/typescript/bin/tsc"), "-p", folder, "--pretty", "false"],
    { cwd: root }
  ).catch(({ stdout }: { readonly stdout: string }) => ({ stdout }))
  assert.strictEqual(checked.stdout, "")
})
