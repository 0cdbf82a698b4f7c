/**
 * The commands as they are installed: what finds a file, or is loaded later, still does.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Client } from "../host/Client.ts"
import * as HostProcess from "../host/HostProcess.ts"
import { root, server, start } from "./Process.ts"

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

const bin = (name: string) => join(root, "bin", `${name}.js`)

const run = (args: ReadonlyArray<string>, stdin = "") =>
  Effect.flatMap(
    start(process.execPath, [bin("effect-code-mode"), ...args], { cwd: tmpdir(), env: {}, stdin }),
    ({ result }) => result
  )

describe("the sources", () => {
  it.live("run as they are", () =>
    Effect.gen(function*() {
      const { result } = yield* start(process.execPath, [join(root, "src/bin/effect-code-mode.ts"), "run", "-"], {
        stdin: "text(6 * 7)"
      })
      const { status, stderr, stdout } = yield* result
      assert.deepStrictEqual({ status, stdout }, { status: 0, stdout: "42\n" }, stderr)
    }))
})

describe("what was built", () => {
  it.live("runs a cell", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* run(["run", "-"], "text(6 * 7)")
      assert.deepStrictEqual({ status, stdout }, { status: 0, stdout: "42\n" }, stderr)
    }))

  it.live("says its version", () =>
    Effect.gen(function*() {
      assert.include((yield* run(["--version"])).stdout, manifest.version)
    }))

  it.live("finds nothing wrong with itself", () =>
    Effect.gen(function*() {
      const { status, stdout } = yield* run(["doctor"])
      assert.strictEqual(status, 0, stdout)
      assert.include(stdout, `isolated-vm ${manifest.dependencies["isolated-vm"]}`)
    }))

  it.live("calls the tools of a server", () =>
    Effect.gen(function*() {
      const source = "text((await tools.mcp__fake__add({ a: 1, b: 2 })).content[0].text)"
      const { status, stderr, stdout } = yield* run(["run", "-", "--mcp", `fake=${server()}`], source)
      assert.deepStrictEqual({ status, stdout }, { status: 0, stdout: "3\n" }, stderr)
    }))

  it.live("serves sessions", () =>
    Effect.gen(function*() {
      const { child } = yield* HostProcess.startProgram(bin("code-mode-host"))
      const client = new Client(child.stdout, child.stdin)
      yield* client.hello()
      yield* client.open()
      const { initial } = yield* client.execute("text(6 * 7)")
      assert.include(JSON.stringify(yield* initial), `"text":"42"`)
    }))
})
