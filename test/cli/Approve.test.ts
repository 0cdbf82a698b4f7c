import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
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
      Effect.forEach([["perhaps", "y"], ["n not today"]] as const, ([first, ...others]) =>
        Effect.gen(function*() {
          const { cell, server, written } = yield* writing
          const command = `'${process.execPath}' bin/effect-code-mode.js run '${cell}' --mcp '${server}' --approve`
          const { type, until } = yield* Terminal.make(command, { columns: 100 })
          yield* until(
            /A cell wants to call mcp__fs__write_file \(destructive\) with:[^]*"content": "new"[^]*Allow it\? ?$/
          )
          yield* type(first, key.enter)
          for (const line of others) {
            yield* until(/It should be y, c, s, n, or arguments in JSON\.\n {2}Allow it\? ?$/)
            yield* type(line, key.enter)
          }
          const isWritten = others.length > 0
          yield* until(
            isWritten
              ? /written\nstatus 0/
              : /mcp__fs__write_file was not called: it was denied, because not today\.[^]*status 1/
          )
          assert.strictEqual(existsSync(written), isWritten)
        }), { discard: true })
  )

  it.live.runIf(Terminal.isAvailable)(
    "asks at the prompt, remembers, takes other arguments, and takes a question back whose cell is over",
    () =>
      Effect.gen(function*() {
        const { server, written } = yield* writing
        const command = `'${process.execPath}' bin/effect-code-mode.js repl --mcp '${server}' --approve`
        const { type, until } = yield* Terminal.make(command, { columns: 100, rows: 40 })
        const write = (content: string) =>
          `await tools.mcp__fs__write_file({ path: ${JSON.stringify(written)}, content: "${content}" }), 0`
        yield* until(/\n>$/)
        yield* type(`setTimeout(() => exit(), 700); ${write("never")}`, key.enter)
        yield* until(/Allow it\? ?$/)
        yield* type("half a line")
        yield* until(/Allow it\? half a line\n(?:.*cancelled\n)?>$/)
        assert.isFalse(existsSync(written))
        yield* type(write("1"), key.enter)
        yield* until(/Allow it\? ?$/)
        yield* type(JSON.stringify({ path: written, content: "other" }), key.enter)
        yield* until(/\n0\n>$/)
        assert.strictEqual(readFileSync(written, "utf8"), "other")
        yield* type(write("2"), key.enter)
        yield* until(/Allow it\? ?$/)
        yield* type("s", key.enter)
        yield* until(/Allow it\? s\n(?:.*\n)*0\n>$/)
        yield* type(write("3"), key.enter)
        yield* until(/content: "3"[^]*ok\n0\n>$/)
        assert.strictEqual(readFileSync(written, "utf8"), "3")
      })
  )
})
