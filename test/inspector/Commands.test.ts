import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema } from "effect"
import * as Delegate from "effect-code-mode/Delegate"
import * as Remote from "effect-code-mode/Remote"
import * as Runtime from "effect-code-mode/Runtime"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { fixture, folder, run, type Running, startCommand } from "../cli/Process.ts"
import * as SdkClient from "../mcp-server/SdkClient.ts"
import * as Events from "./Events.ts"

/** What a process has written to standard error, once it says where its page is. */
const addressOf = ({ child }: Running) =>
  Effect.callback<string>((resume) => {
    let text = ""
    child.stderr.on("data", (part: string) => {
      text += part
      const [, address] = /inspector: (\S+)/.exec(text) ?? []
      if (address !== undefined) {
        resume(Effect.succeed(address))
      }
    })
  })

const inHome = Effect.map(folder, (folder) => ({ folder, env: { ...process.env, XDG_RUNTIME_DIR: folder } }))

describe("--inspect", () => {
  it.live("shows the cells of a model at an MCP server, and decides where its client cannot ask", () =>
    Effect.gen(function*() {
      const { client, errors, exec } = yield* SdkClient.stdio([
        "--inspect",
        "0",
        "--mcp",
        `files='${process.execPath}' '${fixture}'`,
        "--approve=all"
      ])
      const { tools } = yield* Effect.promise(() => client.listTools())
      assert.include(tools.map(({ name }) => name), "exec")
      const address = /inspector: (\S+)/.exec(errors())![1]!
      const done = yield* Effect.forkChild(
        exec("text(await tools.mcp__files__add({ a: 1, b: 2 }).then(JSON.stringify, String))")
      )
      const question = yield* Events.first(address, ({ questions }) => questions?.[0])
      assert.strictEqual(question.tool, "mcp__files__add")
      assert.deepStrictEqual(JSON.parse(question.input), { a: 1, b: 2 })
      const session = yield* Events.first(address, ({ sessions }) => sessions?.[0])
      assert.strictEqual(session.name, "mcp-1")
      const denied = yield* Events.ask(address, {
        _tag: "Decide",
        question: question.key,
        approve: false,
        remember: "once",
        reason: "the page said so"
      })
      assert.isTrue(denied.ok)
      assert.include(SdkClient.textOf(yield* Fiber.join(done)), "because the page said so")
    }))

  it.live("shows the sessions of a host's clients; its page is found while it runs, and not afterwards", () =>
    Effect.gen(function*() {
      const { env, folder } = yield* inHome
      const socket = join(folder, "host.sock")
      const host = yield* startCommand([
        "host",
        "--listen",
        `rpc+unix://${socket}`,
        "--inspect",
        "0",
        "--warm-lanes",
        "0"
      ], {
        env,
        keepOpen: true
      })
      const address = yield* addressOf(host)
      yield* host.printed("rpc+unix://")
      const listed = yield* run(["inspect"], { env })
      assert.include(listed.stdout, `${address}  code-mode-host in `)
      assert.include(listed.stdout, `pid ${host.child.pid}`)

      const tools = Delegate.layerTools({
        add: Delegate.tool({
          description: "Adds",
          parameters: Schema.Struct({ a: Schema.Number }),
          handler: ({ a }) => Effect.succeed(a + 1)
        })
      })
      yield* Effect.gen(function*() {
        const session = yield* Runtime.SessionRuntime
        const { cell, initial } = yield* session.execute({ callId: "far", source: "text(await tools.add({ a: 1 }))" })
        yield* initial
        const shown = yield* Events.first(address, ({ cells }) => cells?.find(({ status }) => status === "Completed"))
        assert.include(shown, { id: cell.id, callId: "far", calls: 1, failed: 0 })
      }).pipe(Effect.provide(Remote.layer().pipe(Layer.provide([tools, Remote.layerUnix(socket)]))))

      host.child.kill("SIGTERM")
      assert.strictEqual((yield* host.result).status, 0)
      const none = yield* run(["inspect"], { env })
      assert.include(none.stderr, "nothing that runs has a page")
      assert.strictEqual(none.status, 2)
    }))

  it.live("says what is wrong with it", () =>
    Effect.gen(function*() {
      const { env } = yield* inHome
      const [repl, host] = yield* Effect.all([
        run(["repl", "--inspect", "seven"], { env }),
        run(["host", "--inspect", "70000"], { env })
      ], { concurrency: "unbounded" })
      for (const { status, stderr } of [repl, host]) {
        assert.strictEqual(status, 2)
        assert.include(stderr, "a port from 0 to 65535")
      }
    }))
})

describe("inspect FILE", () => {
  it.live("runs a cell, and shows it until it is told to end", () =>
    Effect.gen(function*() {
      const { env, folder } = yield* inHome
      const { child, printed, result } = yield* startCommand(["inspect", "-"], {
        env,
        stdin: "store('a', 1); text('seen'); missing()"
      })
      const address = yield* addressOf({ child, printed, result, stdout: () => "" })
      yield* printed("seen")
      const cell = yield* Events.first(address, ({ cells }) => cells?.find(({ settledAt }) => settledAt !== undefined))
      assert.strictEqual(cell.status, "Failed")
      const stored = yield* Effect.promise(() =>
        fetch(`${address}stored?session=${cell.session}`).then((answer) => answer.json())
      )
      assert.deepStrictEqual(stored, { values: [{ name: "a", json: { text: "1", omitted: 0 } }], omitted: 0 })
      child.kill("SIGINT")
      const { status, stderr } = yield* result
      assert.strictEqual(status, 130)
      assert.include(stderr, "missing is not defined")
      assert.include(stderr, "until Ctrl-C")
      assert.isFalse(existsSync(join(folder, "effect-code-mode", `${child.pid}.json`)))
    }))
})
