import { assert, describe, it } from "@effect/vitest"
import { foreign, text } from "effect-code-mode/bin/terminal/Printable"
import * as Screen from "effect-code-mode/bin/terminal/Screen"
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { folder, server } from "./Process.ts"
import * as Terminal from "./Terminal.ts"

const { key } = Terminal

describe("Screen.draw", () => {
  const size = { columns: 40, rows: 24 }
  const named = (name: string) => foreign("name in a test", name, "prose")
  const rows = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ name: text`tool_${i}`, millis: 1000 + i * 100 }))
  const draw = (...args: Parameters<typeof Screen.draw>) => Screen.draw(...args).map(String)

  it("shows each call with its time", () => {
    assert.deepStrictEqual(draw([{ name: text`a`, millis: 5 }, { name: text`b`, millis: 61_000 }], size, 0), [
      "⠋ a  5 ms",
      "⠋ b  61.0 s"
    ])
    assert.deepStrictEqual(draw([{ name: text`a`, millis: 5 }], size, 11), ["⠙ a  5 ms"])
  })

  it("fits the screen", () => {
    assert.deepStrictEqual(draw([{ name: named("x".repeat(100)), millis: 5 }], size, 0), [
      `⠋ ${"x".repeat(28)}…  5 ms`
    ])
    assert.deepStrictEqual(draw(rows(6), { columns: 40, rows: 9 }, 0), [
      "⠋ tool_0  1.0 s",
      "⠋ tool_1  1.1 s",
      "⠋ tool_2  1.2 s",
      "… and 3 more"
    ])
    for (let columns = 1; columns < 30; columns++) {
      for (const line of draw([{ name: named("名前".repeat(9)), millis: 5 }], { columns, rows: 1 }, 0)) {
        assert.isBelow(Array.from(line).reduce((sum, each) => sum + (each > "\u2e80" ? 2 : 1), 0), Math.max(columns, 1))
      }
    }
  })

  it("cannot be steered by the name of a tool", () => {
    assert.deepStrictEqual(draw([{ name: named("a\u001b[2Jb\nc"), millis: 5 }], size, 0), ["⠋ a\\u001b[2Jb c  5 ms"])
  })
})

const command = `'${process.execPath}' bin/effect-code-mode.js`
const scripted = fileURLToPath(new URL("../mcp/fixtures/scripted.js", import.meta.url))
const fake = `--mcp "fake=${server()}"`

const cell = (source: string) => `printf '%s' '${source}' | ${command} run - ${fake}`

// The cell waits for the second of two calls until a third one wakes it, which a line of output asks for.
const waiting = `
  text("before")
  tools.mcp__fake__meet({ count: 2 })
  tools.mcp__fake__wait()
  await new Promise((resolve) => setTimeout(resolve, 1500))
  await tools.mcp__fake__meet({ count: 2 })
  text("after")
  await tools.mcp__fake__wait()
`

describe.runIf(Terminal.isAvailable)("the screen", () => {
  it.live("shows what is under way below what is over, and nothing of it at the end", () =>
    Effect.gen(function*() {
      const { show, type, until } = yield* Terminal.make(cell(waiting))
      yield* until(/^before\n. mcp__fake__meet {2}\d+ ms\n. mcp__fake__wait {2}\d+ ms$/)
      yield* until(
        /^before\nmcp__fake__meet {2}[\d.]+ m?s {2}ok\nmcp__fake__meet {2}[\d.]+ m?s {2}ok\nafter\n. mcp__fake__wait {2}1\.\d s\n. mcp__fake__wait {2}\d+ ms$/
      )
      yield* type(key.ctrlC)
      yield* until(/status 130$/)
      assert.match(
        show(),
        /^before\n(mcp__fake__meet.*ok\n){2}after\n\^?C?\n?(mcp__fake__wait {2}[\d.]+ m?s {2}cancelled\n){2}\n?status 130$/
      )
    }))

  it.live("fits a terminal that gets narrower", () =>
    Effect.gen(function*() {
      const { resize, showAll, until } = yield* Terminal.make(cell("text(\"before\"); await tools.mcp__fake__wait()"))
      yield* until(/^before\n. mcp__fake__wait {2}\d+ ms$/)
      yield* resize(20, 20)
      yield* until(/. mcp__fa… {2}\d\.\d s$/)
      yield* resize(60, 20)
      yield* until(/. mcp__fake__wait {2}\d\.\d s$/)
      assert.match(showAll(), /^before\n/)
    }))

  it.live("leaves nothing of itself behind when the terminal is resized", () =>
    Effect.gen(function*() {
      const calls = "text(\"before\"); await Promise.all(Array.from({ length: 20 }, () => tools.mcp__fake__wait()))"
      const { resize, showAll, type, until } = yield* Terminal.make(cell(calls))
      const running = /(. mcp__fake__wait {2}[\d.]+ m?s\n){8}… and 12 more$/
      yield* until(running)
      yield* resize(30, 20)
      yield* resize(16, 20)
      yield* until(/(. mcp?….*\n){8}… and 12 more$/)
      yield* resize(60, 10)
      yield* until(/(. mcp__fake__wait {2}.*\n){3}… and 17 more$/)
      yield* resize(60, 20)
      yield* until(running)
      assert.match(showAll(), new RegExp(`^before\n${running.source}`))
      yield* type(key.ctrlC)
      yield* until(/status 130$/)
      assert.match(showAll(), /^before\n(mcp__fake__wait {2}[\d.]+ m?s {2}cancelled\n){20}\n?status 130$/)
    }))

  it.live.each([["1", false], ["", true]] as const)(
    "with NO_COLOR=%j has colours: %s",
    ([value, colours]) =>
      Effect.gen(function*() {
        const { isDimmed, until } = yield* Terminal.make(cell("await tools.mcp__fake__wait()"), {
          env: { NO_COLOR: value }
        })
        yield* until(/mcp__fake__wait {2}\d/)
        assert.strictEqual(isDimmed(), colours)
      })
  )

  it.live("shows which servers start", () =>
    Effect.gen(function*() {
      const silent = `--mcp "slow=${server("--silent")}" --mcp "${server("--silent")}"`
      const { show, type, until } = yield* Terminal.make(`${command} run package.json ${fake} ${silent}`, {
        columns: 200
      })
      yield* until(/^. starting slow {2}1.\d s\n. starting \S*node /)
      yield* type(key.ctrlC)
      yield* until(/status 130$/)
      assert.notInclude(show(), "starting")
    }))

  it.live("cannot be steered by what a cell puts out", () =>
    Effect.gen(function*() {
      const steer = "text(\"one\"); text(\"\\x1b[2Jtwo\\x1b[31m!\\x1b[m\"); throw \"\\x1b[2Jthree\""
      const { show, until } = yield* Terminal.make(cell(steer))
      yield* until(/status 1$/)
      assert.strictEqual(show(), "one\n\\u001b[2Jtwo!\n\\u001b[2Jthree\nstatus 1")
    }))

  it.live("is not there on a dumb terminal", () =>
    Effect.gen(function*() {
      const { show, until } = yield* Terminal.make(
        cell("await Promise.race([tools.mcp__fake__wait(), new Promise((resolve) => setTimeout(resolve, 500))])"),
        { env: { TERM: "dumb" } }
      )
      yield* until(/status 0$/)
      assert.match(show(), /^mcp__fake__wait {2}\d+ ms {2}cancelled\nstatus 0$/)
    }))
})

describe.runIf(Terminal.isAvailable)("the prompt", () => {
  it.live("edits lines, completes names, remembers, and ends the running cell alone on Ctrl-C", () =>
    Effect.gen(function*() {
      const home = yield* folder
      const { type, until } = yield* Terminal.make(`${command} repl ${fake}`, { env: { XDG_STATE_HOME: home } })
      yield* until(/\n>$/)
      yield* type("text(tools.mcp__fake__a")
      yield* until(/__a$/)
      yield* type(key.tab)
      yield* until(/__add$/)
      yield* type(".name)", key.enter)
      yield* until(/text\(tools\.mcp__fake__add\.name\)\n.*\n>$/)
      yield* type("store('a', 1)", key.enter)
      yield* until(/store\('a', 1\)\n>$/)
      yield* type("await new Promise(() => { for (;;); })", key.enter)
      yield* until(/for \(;;\); \}\)$/)
      yield* type(key.ctrlC)
      yield* until(/terminated\n>$/)
      yield* type("load('a')", key.enter)
      yield* until(/load\('a'\)\n1\n>$/)
      yield* type(key.up)
      yield* until(/> load\('a'\)$/)
      yield* type(key.ctrlC)
      yield* until(/>$/)
      yield* type(key.ctrlC, key.ctrlC)
      yield* until(/status 0$/)
    }))

  it.live("shows the calls that a cell waits for, and leaves the line that is typed alone", () =>
    Effect.gen(function*() {
      const { show, type, until } = yield* Terminal.make(`${command} repl ${fake} --yield-after 1s`, {
        env: { XDG_STATE_HOME: yield* folder }
      })
      yield* until(/\n>$/)
      // The call is over when there is a second one.
      yield* type("await tools.mcp__fake__meet({ count: 2 }), 'met'", key.enter)
      yield* until(/'met'\n. mcp__fake__meet {2}\d+ ms$/)
      yield* type("'typed ahead'", key.enter, "tools.mcp__fake__meet({ count: 2 })")
      yield* until(/yielded: .*\n\.wait [^>]*> 'typed ahead'\ntyped ahead\n> tools\.mcp__fake__meet\({ count: 2 }\)$/)
      assert.notInclude(show(), "⠙")
      yield* type(".then(() => 2)", key.enter)
      // Both are there, in whatever order.
      yield* until(/(mcp__fake__meet .*ok\n|2\n|met\n|cell \w+ has ended\n){5}>$/)
      yield* type(".cells", key.enter)
      yield* until(/\.cells\nno cells\n>$/)
      yield* type("text('at once'); await tools.mcp__fake__wait()", key.enter)
      yield* until(/\nat once\n. mcp__fake__wait {2}\d+ ms$/)
      yield* type(key.ctrlC)
      yield* until(/cancelled\nterminated\n>$/)
      yield* type("while (true) {}", key.enter)
      yield* until(/\{\}$/)
      yield* type(key.ctrlC)
      yield* until(/\{\}\nterminated\n>$/)
      yield* type(".cells", key.enter)
      yield* until(/\.cells\nno cells\n>$/)
    }))

  it.live("says above the prompt what happens behind it", () =>
    Effect.gen(function*() {
      const home = yield* folder
      // The first call is over when this file is there, and the second when that one is.
      const [first, second] = [join(home, "first"), join(home, "second")]
      const result = { result: { content: [] } }
      const script = { "tools/call": [[{ file: first }, result], [{ file: second }, result]] }
      const config = join(home, "mcp.json")
      writeFileSync(
        config,
        JSON.stringify({ mcpServers: { s: { command: process.execPath, args: [scripted, JSON.stringify(script)] } } })
      )
      const { type, until } = yield* Terminal.make(`${command} repl --config '${config}' --yield-after 300ms`, {
        env: { XDG_STATE_HOME: home }
      })
      yield* until(/\n>$/)
      yield* type("const go = tools.mcp__s__do; await go(), notify('time is up'), await go()", key.enter)
      yield* until(/ends it\n>$/)
      yield* type("'half a ")
      yield* until(/ends it\n> 'half a$/)
      writeFileSync(first, "")
      // Calls and notifications come by different ways.
      yield* until(/ends it\n(?:mcp__s__do .*ok\n|notification: time is up\n){2}> 'half a$/)
      yield* type("line'", key.enter)
      yield* until(/> 'half a line'\nhalf a line\n>$/)
      writeFileSync(second, "")
      yield* until(
        /half a line\n(?:mcp__s__do .*ok\n|cell \w+ has ended\n){2}>$/
      )
    }))

  it.live("recalls several lines as one entry, also later", () =>
    Effect.gen(function*() {
      const env = { XDG_STATE_HOME: yield* folder }
      const first = yield* Terminal.make(`${command} repl`, { env })
      yield* first.until(/\n>$/)
      yield* first.type("[\r1,\r2\r].map((n) =>\r n * 2)\r'next'\r")
      yield* first.until(/\[ 2, 4 \]\n> 'next'\nnext\n>$/)
      yield* first.type(key.up)
      yield* first.until(/\n> 'next'$/)
      yield* first.type(key.up)
      yield* first.until(/\n> \[\n\| 1,\n\| 2\n\| \]\.map\(\(n\) =>\n\| {2}n \* 2\)$/)
      yield* first.type(key.enter)
      yield* first.until(/\n\| {2}n \* 2\)\n\[ 2, 4 \]\n>$/)
      yield* first.type(key.ctrlD)
      yield* first.until(/status 0$/)
      const later = yield* Terminal.make(`${command} repl`, { env })
      yield* later.until(/\n>$/)
      yield* later.type(key.up)
      yield* later.until(/\n> \[\n\| 1,\n\| 2\n\| \]\.map\(\(n\) =>\n\| {2}n \* 2\)$/)
      yield* later.type(key.ctrlC)
      yield* later.until(/\n>$/)
      yield* later.type(key.up.repeat(6))
      yield* later.until(/\n> 'next'$/)
      yield* later.type(key.ctrlC)
      yield* later.until(/\n>$/)
      yield* later.type("text(\r", "1")
      yield* later.until(/… 1$/)
      yield* later.type(key.ctrlC)
      yield* later.until(/… ?\n>$/)
      yield* later.type(key.up)
      yield* later.until(/\n> text\($/)
    }))

  it.live("completes helpers and the keys of an argument", () =>
    Effect.gen(function*() {
      const { type, until } = yield* Terminal.make(`${command} repl ${fake}`, {
        env: { XDG_STATE_HOME: yield* folder }
      })
      yield* until(/\n>$/)
      yield* type("generat")
      yield* until(/generat$/)
      yield* type(key.tab)
      yield* until(/> generatedImage$/)
      yield* type(key.ctrlC)
      yield* until(/\n>$/)
      yield* type("tools.mcp__fake__add({ a: 1,")
      yield* until(/1,$/)
      yield* type(key.tab)
      yield* until(/\{ a: 1,b:$/)
    }))

  it.live("shows a value pretty and cut, and an image as a line", () =>
    Effect.gen(function*() {
      const { type, until } = yield* Terminal.make(`${command} repl`, { env: { XDG_STATE_HOME: yield* folder } })
      yield* until(/\n>$/)
      yield* type("({ a: ['x'], i: { type: 'image', mimeType: 'image/png', data: 'A'.repeat(40000) } })", key.enter)
      yield* until(/\n\{ a: \[ 'x' \], i: \[image image\/png, 30\.0 kB\] \}\n>$/)
      yield* type("'x'.repeat(10050)", key.enter)
      yield* until(/x\n… 50 more characters\n>$/)
      yield* type("text({ a: ['x'] })", key.enter)
      yield* until(/\n\{"a":\["x"\]\}\n>$/)
    }))

  it.live("ends with Ctrl-D, on a line of its own", () =>
    Effect.gen(function*() {
      const { type, until } = yield* Terminal.make(`${command} repl`, { env: { XDG_STATE_HOME: yield* folder } })
      yield* until(/\n>$/)
      yield* type(key.ctrlD)
      yield* until(/\n> \nstatus 0$/)
    }))

  it.live("takes lines that are pasted", () =>
    Effect.gen(function*() {
      const { type, until } = yield* Terminal.make(`${command} repl`, { env: { XDG_STATE_HOME: yield* folder } })
      yield* until(/\n>$/)
      yield* type("[\r1,\r2\r].map((n) =>\r n * 2)\r'next'\rtext(")
      yield* until(/\n> \[\n… 1,\n… 2\n… \]\.map\(\(n\) =>\n… {2}n \* 2\)\n\[ 2, 4 \]\n> 'next'\nnext\n> text\($/)
    }))
})
