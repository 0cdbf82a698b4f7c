import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { folder, root, run } from "./Process.ts"
import * as Terminal from "./Terminal.ts"

const { key } = Terminal

/** A cell that reads, which needs no approval, and then writes a file. */
const writing = Effect.map(folder, (home) => {
  const written = join(home, "written.txt")
  const cell = join(home, "cell.js")
  writeFileSync(
    cell,
    `text((await tools.mcp__fs__list_allowed_directories({})).isError ?? "read")
    await tools.mcp__fs__write_file({ path: ${JSON.stringify(written)}, content: "new" })
    text("written")`
  )
  const server = join(root, "node_modules/.bin/mcp-server-filesystem")
  return { cell, written, server: `fs=${process.execPath} ${server} ${home}` }
})

describe("--approve", () => {
  it.live("denies calls where there is no terminal to ask at", () =>
    Effect.gen(function*() {
      const { cell, server, written } = yield* writing
      const { status, stderr, stdout } = yield* run(["run", cell, "--mcp", server, "--approve"])
      assert.deepStrictEqual([status, stdout], [1, "read\n"])
      assert.match(stderr, /mcp__fs__write_file was not called: it was denied, because there is nothing here/)
      assert.isFalse(existsSync(written))
    }))

  it.live.runIf(Terminal.isAvailable)(
    "asks at the terminal",
    () =>
      Effect.forEach([["y", true], ["n", false]] as const, ([answer, isWritten]) =>
        Effect.gen(function*() {
          const { cell, server, written } = yield* writing
          const command = `'${process.execPath}' bin/effect-code-mode.js run '${cell}' --mcp '${server}' --approve`
          const { type, until } = yield* Terminal.make(command, { columns: 100 })
          yield* until(/A cell wants to call mcp__fs__write_file \(destructive\) with:[^]*Answer: ?$/)
          yield* type(answer, key.enter)
          if (isWritten) {
            yield* until(/\[false\]: ?$/)
            yield* type(key.enter)
          }
          yield* until(isWritten ? /written\nstatus 0/ : /the user declined it[^]*status 1/)
          assert.strictEqual(existsSync(written), isWritten)
        }), { discard: true })
  )
})
