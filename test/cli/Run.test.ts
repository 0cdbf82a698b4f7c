import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { existsSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { descendants, folder, isRunning, run, runCell, server, startCommand } from "./Process.ts"

const allGone = (pids: ReadonlyArray<number>) =>
  Effect.sync(() => pids.some(isRunning)).pipe(
    Effect.repeat({ until: (running) => !running, schedule: Schedule.spaced("10 millis") }),
    Effect.timeout("50 seconds")
  )

describe("effect-code-mode", () => {
  it.live("says what it is", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* run(["--version"]), {
        status: 0,
        stdout: "effect-code-mode v0.1.0\n",
        stderr: ""
      })
      const help = yield* run(["run", "--help"])
      assert.strictEqual(help.status, 0)
      assert.include(help.stdout, "--mcp [NAME=]COMMAND")
    }))

  it.live.each([
    [[], "Missing required argument: file"],
    [["a.js", "b.js"], "b.js"],
    [["a.js", "--nonsense"], "--nonsense"],
    [["a.js", "--mcp", "server 'with a quote"], "--mcp 'server 'with a quote': the quote ' is never closed"],
    [["/no/such/file.js"], "there is no file /no/such/file.js"],
    [["nofile.js"], `there is no file nofile.js in ${process.cwd()}\n`],
    [[tmpdir()], `cannot read ${tmpdir()}: it is a folder\n`],
    [[""], "cannot read .: it is a folder\n"],
    [["-", "--session", tmpdir()], `--session ${tmpdir()}: it is a folder\n`],
    [["-", "--config", tmpdir()], `--config ${tmpdir()}: it is a folder\n`]
  ] as ReadonlyArray<[ReadonlyArray<string>, string]>)("refuses run %j", ([args, text]) =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* run(["run", ...args])
      assert.strictEqual(status, 2)
      assert.strictEqual(stdout, "")
      assert.include(stderr, text)
      assert.match(stderr, /^effect-code-mode: /)
    }))
})

describe("effect-code-mode run", () => {
  it.live("prints what a cell puts out", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* runCell(`
          text("one"); text({ two: 2 })
          image("data:image/png;base64,AAAA")
          yield_control()
          await new Promise((resolve) => setTimeout(resolve, 50))
          yield_control()
          text("three")
        `),
        { status: 0, stdout: "one\n{\"two\":2}\n[image image/png, 3 B]\nthree\n", stderr: "" }
      )
    }))

  it.live("prints all of it, and as it is made", () =>
    Effect.gen(function*() {
      const { child, printed, result } = yield* startCommand(["run", "-"], {
        stdin: "for (let i = 0; i < 50_000; i++) text(i); await new Promise((resolve) => setTimeout(resolve, 60_000))"
      })
      yield* printed("\n49999\n")
      child.kill("SIGINT")
      const { stdout } = yield* result
      assert.strictEqual(stdout, Array.from({ length: 50_000 }, (_, i) => `${i}\n`).join(""))
    }))

  it.live("logs warnings, and what --log-level asks for", () =>
    Effect.gen(function*() {
      const broken = ["--mcp", server("--broken")]
      assert.match((yield* runCell("text(1)", ...broken)).stderr, /^\[[\d:.]+\] WARN [^\n]* is left out: [^\n]*\n$/)
      assert.strictEqual((yield* runCell("text(1)", ...broken, "--log-level", "error")).stderr, "")
      assert.match((yield* runCell("text(1)", "--log-level", "info")).stderr, /^\[[\d:.]+\] INFO /)
    }))

  it.live("marks where a cell failed", () =>
    Effect.gen(function*() {
      const cwd = yield* folder
      writeFileSync(join(cwd, "cell.js"), "text(\"before\")\nconst total = price * 2\n")
      const { status, stderr, stdout } = yield* run(["run", "cell.js"], { cwd })
      assert.strictEqual(status, 1)
      assert.strictEqual(stdout, "before\n")
      assert.match(stderr, /^ReferenceError: price is not defined\n/)
      assert.isTrue(stderr.endsWith("\n\ncell.js:2:15\n 2 | const total = price * 2\n   |               ^\n"), stderr)
    }))

  it.live("names the tool that a cell may have meant", () =>
    Effect.gen(function*() {
      const args = ["--mcp", `fake=${server()}`]
      const { status, stderr } = yield* runCell("await tools.mcp__fake__ad({})", ...args)
      assert.strictEqual(status, 1)
      assert.match(
        stderr,
        /^TypeError: tools\.mcp__fake__ad is not a function\ndid you mean tools\.mcp__fake__add\?\n {4}at /
      )
      assert.notInclude((yield* runCell("await tools.nothing_like_it({})", ...args)).stderr, "did you mean")
    }))

  it.live("marks where a cell does not compile", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* runCell("text(1)\nlet a = ]\n")
      assert.strictEqual(status, 1)
      assert.strictEqual(stdout, "")
      assert.match(stderr, /^SyntaxError: /)
      assert.include(stderr, "<stdin>:2:9\n 2 | let a = ]\n   |         ^\n")
    }))

  it.live("ends a cell that waits for nothing", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* runCell("text(1); await new Promise(() => {})")
      assert.strictEqual(status, 1)
      assert.strictEqual(stdout, "1\n")
      assert.strictEqual(stderr, "the cell waits for something that can never come\n")
    }))

  it.live("prints more than a cell may put out unread", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* runCell(`
        for (let i = 0; i < 100; i++) {
          text("x".repeat(1_000_000))
        }
      `)
      assert.strictEqual(stderr, "")
      assert.strictEqual(status, 0)
      assert.strictEqual(stdout.length, 100_000_100)
    }))

  it.live("calls the tools of servers, in parallel", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* runCell(
        `
          text(await tools.mcp__fake_server__add({ a: 1, b: 2 }))
          const met = await Promise.all([1, 2, 3].map(() => tools.mcp__fake_server__meet({ count: 3 })))
          text(met.map(({ content }) => content[0].text))
          const { isError, content } = await tools.mcp__other__complain({})
          text([isError, content[0].text])
          await tools.mcp__fake_server__refuse({}).catch(text)
          notify("almost there")
        `,
        "--mcp",
        server(),
        "--mcp",
        `other=${server()}`
      )
      assert.strictEqual(status, 0)
      assert.deepStrictEqual(stdout.trimEnd().split("\n"), [
        "{\"content\":[{\"type\":\"text\",\"text\":\"3\",\"unheardOf\":1}],\"structuredContent\":{\"sum\":3},"
        + "\"_meta\":{\"io.modelcontextprotocol/related-task\":{\"taskId\":\"1\",\"unheardOf\":2}},"
        + "\"unheardOf\":{\"kept\":true}}",
        "[\"met 3\",\"met 3\",\"met 3\"]",
        "[true,\"it went wrong\"]",
        "MCP server fake_server: MCP error -32602: not like this"
      ])
      assert.deepStrictEqual(stderr.split("\n").map((line) => line.replace(/ {2}[\d.]+ m?s {2}/, " | ")), [
        "mcp__fake_server__add | ok",
        "mcp__fake_server__meet | ok",
        "mcp__fake_server__meet | ok",
        "mcp__fake_server__meet | ok",
        "mcp__other__complain | error: it went wrong",
        "mcp__fake_server__refuse | failed: MCP server fake_server: MCP error -32602: not like this",
        "notification: almost there",
        ""
      ])
    }))

  it.live("names a server that cannot be used", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* runCell(
        "text(1)",
        "--mcp",
        server(),
        "--mcp",
        `bad=${server("--crash")}`
      )
      assert.strictEqual(status, 2)
      assert.strictEqual(stdout, "")
      assert.strictEqual(
        stderr,
        "effect-code-mode: MCP server bad cannot be used: it exited with status 3; it last wrote:\n"
          + "  no configuration found\n"
      )
    }))

  it.live("names a server that died in a call", () =>
    Effect.gen(function*() {
      const { status, stderr } = yield* runCell("await tools.mcp__frail__die()", "--mcp", `frail=${server()}`)
      assert.strictEqual(status, 1)
      assert.isTrue(
        stderr.endsWith("\nMCP server frail: it exited with status 7; it last wrote:\nthe disk is on fire\n"),
        stderr
      )
    }))

  it.live.each(
    [
      ["SIGINT", "waits", "await tools.mcp__stubborn__wait()"],
      ["SIGINT", "computes", "await new Promise((resolve) => setTimeout(resolve)); while (true);"],
      ["SIGHUP", "waits", "await tools.mcp__stubborn__wait()"]
    ] as const
  )("ends on %s while the cell %s, and leaves nothing behind", ([signal, _, source]) =>
    Effect.gen(function*() {
      const { child, printed, result } = yield* startCommand(
        ["run", "-", "--mcp", `stubborn=${server("--stubborn")}`, "--mcp", `polite=${server()}`],
        { stdin: `text("started"); await tools.mcp__polite__add({ a: 1, b: 1 }); text("under way"); ${source}` }
      )
      yield* printed("under way")
      const pids = descendants(child.pid!)
      // Two servers, and at least the process that runs the cell.
      assert.isAtLeast(pids.length, 3)
      child.kill(signal)
      const { status } = yield* result
      assert.strictEqual(status, 130)
      yield* allGone(pids)
    }))

  it.live("ends at once on a second Ctrl-C, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const { child, printed, result } = yield* startCommand(
        ["run", "-", "--mcp", `stubborn=${server("--stubborn")}`],
        {
          stdin: "text('under way'); await tools.mcp__stubborn__wait()"
        }
      )
      yield* printed("under way")
      const pids = descendants(child.pid!)
      const ended = yield* Effect.forkChild(Effect.timed(result), { startImmediately: true })
      child.kill("SIGINT")
      // What comes with the first is taken for its echo.
      child.kill("SIGINT")
      yield* Effect.sync(() => child.kill("SIGINT")).pipe(
        Effect.repeat({ until: () => child.exitCode !== null, schedule: Schedule.spaced("50 millis") })
      )
      const [took, { status }] = yield* Fiber.join(ended)
      assert.strictEqual(status, 130)
      yield* allGone(pids)
      return Duration.toMillis(took)
    }).pipe(
      Effect.scoped,
      // A machine that is busy may take its time, but a stubborn server is given 750 ms to leave every time.
      Effect.repeat({ until: (millis) => millis < 700, times: 3 }),
      Effect.map((millis) => assert.isBelow(millis, 700))
    ))

  it.live("ends on Ctrl-C while a server starts", () =>
    Effect.gen(function*() {
      const log = join(yield* folder, "log")
      const args = ["run", "-", "--mcp", server("--silent", "--log", log)]
      const { child, result } = yield* startCommand(args, { stdin: "text(1)" })
      yield* Effect.sync(() => existsSync(log)).pipe(
        Effect.repeat({ until: (starts) => starts, schedule: Schedule.spaced("10 millis") })
      )
      const pids = descendants(child.pid!)
      child.kill("SIGINT")
      assert.strictEqual((yield* result).status, 130)
      yield* allGone(pids)
    }))

  it.live("ends quietly when nobody reads its output", () =>
    Effect.gen(function*() {
      const { child, printed, result } = yield* startCommand(["run", "-", "--mcp", server()], {
        stdin: "while (true) { text(\"again\"); await new Promise((resolve) => setTimeout(resolve, 10)) }"
      })
      yield* printed("again")
      const pids = descendants(child.pid!)
      child.stdout.destroy()
      const { status, stderr } = yield* result
      assert.strictEqual(status, 0)
      assert.strictEqual(stderr, "")
      yield* allGone(pids)
    }))
})
