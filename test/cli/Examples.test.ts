import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { folder, root, run } from "./Process.ts"

const example = (name: string, cwd: string, ...args: ReadonlyArray<string>) =>
  run([
    "run",
    join(root, "examples", name),
    "--mcp",
    `fs=${join(root, "node_modules/.bin/mcp-server-filesystem")} .`,
    ...args
  ], {
    cwd
  })

describe("the examples", () => {
  it.live("filesystem.js puts out a table", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* example("filesystem.js", root)
      assert.strictEqual(status, 0, stderr)
      assert.match(stdout, /^folder +modules +lines +longest\n(src\S* +\d+ +\d+ +[\w-]+\.ts \(\d+\)\n)+$/)
    }))

  it.live("imports.ts puts out a ranking", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* example("imports.ts", root)
      assert.strictEqual(status, 0, stderr)
      assert.match(stdout, /^ *\d+ {2}Effect\n( *\d+ {2}\S+\n){9}$/)
    }))

  it.live("changes.js tells what changed since the last run", () =>
    Effect.gen(function*() {
      const home = yield* folder
      writeFileSync(join(home, "a.md"), "one")
      mkdirSync(join(home, "deep"))
      writeFileSync(join(home, "deep", "b.md"), "two")
      const session = join(yield* folder, "changes.json")
      const first = yield* example("changes.js", home, "--session", session)
      assert.strictEqual(first.stdout, "2 documents; run me again when you have changed some\n", first.stderr)
      writeFileSync(join(home, "deep", "b.md"), "twelve")
      writeFileSync(join(home, "c.md"), "three")
      const second = yield* example("changes.js", home, "--session", session)
      assert.strictEqual(second.stdout, "b.md: 3 → 6\nc.md: none → 5\n", second.stderr)
      assert.strictEqual((yield* example("changes.js", home, "--session", session)).stdout, "nothing has changed\n")
    }))
})
