/**
 * The commands on systems that this is not, as far as they can be played: node says that it is another one, so that nothing
 * of ours uses what only this one has.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { descendants, folder, isRunning, run, server, startCommand } from "./Process.ts"

const playing = (platform: string): NodeJS.ProcessEnv => ({
  ...process.env,
  // The binary of isolated-vm is that of this system nevertheless.
  npm_config_platform: process.platform,
  NODE_OPTIONS: `--import=data:text/javascript,${
    encodeURIComponent(`Object.defineProperty(process, "platform", { value: "${platform}" })`)
  }`
})

const lines = (stdout: string, what: string) =>
  stdout.split("\n").filter((line) => line.slice(2).startsWith(`${what} `))

const doctor = (platform: string) =>
  Effect.map(run(["doctor"], { env: playing(platform) }), ({ status, stderr, stdout }) => {
    const [first, ...lacks] = lines(stdout, "system")
    assert.deepStrictEqual(lacks.filter((line) => !/^! system +\S.* → \S/.test(line)), [])
    return { first, lacks, status, stderr, stdout }
  })

describe("macOS", () => {
  it.live("does not give what a doctor says, and cells run", () =>
    Effect.gen(function*() {
      const { first, lacks, status, stderr, stdout } = yield* doctor("darwin")
      assert.deepStrictEqual({ status, stderr }, { status: 0, stderr: "" })
      assert.match(first!, /^✓ system +macOS$/)
      assert.strictEqual(lacks.length, 3, stdout)
      assert.match(lines(stdout, "engine")[0]!, /^✓ engine +V8 .*; the first cell took /)
      assert.match(lines(stdout, "lane")[0]!, /^✓ lane +a process of its own, without environment, under Node's/)
      assert.deepStrictEqual(lines(stdout, "user"), [])
    }))

  it.live("runs cells with the tools of servers", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* run(["run", "-", "--mcp", `fake=${server()}`, "--log-level", "info"], {
        stdin: "text((await tools.mcp__fake__add({ a: 1, b: 2 })).content[0].text)",
        env: playing("darwin")
      })
      assert.deepStrictEqual({ status, stdout }, { status: 0, stdout: "3\n" }, stderr)
      assert.match(stderr, /code mode lanes: nothing of the system holds them$/m)
    }))

  it.live("ends a server with what it has started", () =>
    Effect.gen(function*() {
      const { child, printed, result } = yield* startCommand(
        ["run", "-", "--mcp", `fake=sh -c "sleep 1000 & exec ${server()}"`],
        { stdin: "text('here'), await new Promise(() => setTimeout(() => {}, 1e6))", env: playing("darwin") }
      )
      yield* printed("here")
      const started = descendants(child.pid!)
      assert.isAbove(started.length, 2)
      child.kill("SIGTERM")
      yield* result
      yield* Effect.sync(() => started.filter(isRunning)).pipe(Effect.repeat({ until: (left) => left.length === 0 }))
    }))
})

describe("Windows", () => {
  it.live("does not give what a doctor says", () =>
    Effect.gen(function*() {
      const { first, lacks, stdout } = yield* doctor("win32")
      assert.match(first!, /^✓ system +Windows$/)
      assert.strictEqual(lacks.length, 5, stdout)
    }))

  it.live("refuses a socket in a file", () =>
    Effect.gen(function*() {
      const path = `${yield* folder}/host.sock`
      const { status, stderr } = yield* run(["host", "--listen", `unix://${path}`], { env: playing("win32") })
      assert.strictEqual(status, 1)
      assert.include(stderr, "Windows has no sockets in files: listen at a port of this machine")
    }))

  it.live("ends a server, and what it has started, by a command of the system", () =>
    Effect.gen(function*() {
      const home = yield* folder
      const told = join(home, "told")
      writeFileSync(join(home, "taskkill"), `#!/bin/sh\necho "$@" >> '${told}'\nkill -9 "$2"`, { mode: 0o755 })
      const { status, stderr } = yield* run(["run", "--list-tools=names", "--mcp", `fake=${server()}`], {
        env: { ...playing("win32"), PATH: `${home}:${process.env.PATH}` }
      })
      assert.strictEqual(status, 0, stderr)
      assert.match(readFileSync(told, "utf8"), /^\/PID \d+ \/T \/F$/m)
    }))

  it.live("says how a script is started that it does not find", () =>
    Effect.gen(function*() {
      const { status, stderr } = yield* run(["run", "-", "--mcp", "fake=no-such-command x"], {
        stdin: "text(1)",
        env: playing("win32")
      })
      assert.strictEqual(status, 2)
      assert.include(stderr, "A script such as npx is started by cmd, with /c")
    }))
})
