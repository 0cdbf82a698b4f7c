import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { fixture, folder, root, server, start } from "../cli/Process.ts"
import { command, official, outputOf, stdio, textOf, untilLogged } from "./SdkClient.ts"

const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

/** A process that hears lines, and its answers by id. */
/** Gives all that the server says. The input ends once it has answered the last request: it need not do so afterwards. */
const raw = (input: string, last: number) =>
  Effect.gen(function*() {
    const running = yield* start(process.execPath, [command, "mcp"], { keepOpen: true })
    running.child.stdin.write(input)
    yield* running.printed(`"id":${last},`)
    running.child.stdin.end()
    const { status, stderr, stdout } = yield* running.result
    const lines = stdout.split("\n").filter((line) => line !== "")
    return { status, stderr, messages: lines.map((line): any => JSON.parse(line)) }
  })

const request = (id: unknown, method: string, params: object = {}) =>
  `${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`

const initialize = (version = "2025-11-25") =>
  request(0, "initialize", {
    protocolVersion: version,
    capabilities: {},
    clientInfo: { name: "test", version: "1" }
  }) + `${JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" })}\n`

const exec = (id: unknown, source: string) => request(id, "tools/call", { name: "exec", arguments: { source } })

const byId = (messages: ReadonlyArray<any>, id: unknown) => messages.find((message) => message.id === id)

describe("the command mcp, at standard input and output", () => {
  it.live("gives the official client exec, wait and search over the tools of servers", () =>
    Effect.gen(function*() {
      const path = yield* folder
      writeFileSync(join(path, "note.txt"), "from a file")
      const { call, client, exec } = yield* stdio([
        "--mcp",
        official("filesystem", path),
        "--mcp",
        official("memory"),
        "--mcp",
        official("sequential-thinking"),
        "--mcp",
        official("everything")
      ])
      const { tools } = yield* Effect.promise(() => client.listTools())
      assert.deepStrictEqual(tools.map(({ name }) => name), ["exec", "wait", "search"])
      assert.isTrue(tools[2]!.annotations?.readOnlyHint)
      assert.match(tools[0]!.description!, /mcp__filesystem__read_text_file/)

      const found = yield* call("search", { query: "read text of a file", limit: 3 })
      assert.match(textOf(found), /mcp__filesystem__read_text_file\(args: \{/)

      const result = yield* exec(`
        const [file, graph, thought, sum] = await Promise.all([
          tools.mcp__filesystem__read_text_file({ path: ${JSON.stringify(join(path, "note.txt"))} }),
          tools.mcp__memory__read_graph({}),
          tools.mcp__sequential_thinking__sequentialthinking({
            thought: "one", thoughtNumber: 1, totalThoughts: 1, nextThoughtNeeded: false
          }),
          tools.mcp__everything__get_sum({ a: 40, b: 2 })
        ])
        text(file.content[0].text)
        text(Array.isArray(graph.structuredContent.entities))
        text(thought.structuredContent.thoughtNumber)
        text(sum.content[0].text)
      `)
      assert.isFalse(result.isError)
      assert.match(outputOf(result), /^from a file\ntrue\n1\n.*42/)
    }))

  it.live("gives an image of a tool as an image, and a recording as a recording", () =>
    Effect.gen(function*() {
      const { exec } = yield* stdio(["--mcp", official("everything")])
      const result = yield* exec(
        "content(await tools.mcp__everything__get_tiny_image({})); audio('data:audio/wav;base64,UklGRg==')"
      )
      const image = result.content.find(({ type }) => type === "image")
      assert.deepInclude(image, { type: "image", mimeType: "image/png" })
      assert.deepInclude(result.content, { type: "audio", mimeType: "audio/wav", data: "UklGRg==" })
    }))

  it.live("keeps stored values, and goes on with a cell that yields", () =>
    Effect.gen(function*() {
      const { call, exec } = yield* stdio([])
      yield* exec("store('n', 41)")
      const first = yield* exec(
        "text('before'); yield_control(); await new Promise((resolve) => setTimeout(resolve, 50)); text(load('n') + 1)"
      )
      const cell = first._meta?.["effect-code-mode/cell-id"]
      assert.match(textOf(first), /^Script running with cell ID /)
      const second = yield* call("wait", { cell_id: cell })
      assert.strictEqual(outputOf(second), "42")
      const third = yield* call("wait", { cell_id: cell })
      assert.isTrue(third.isError)
      assert.match(textOf(third), /not found/)
    }))

  it.live("says what is wrong with a cell, and with arguments", () =>
    Effect.gen(function*() {
      const { call, exec } = yield* stdio([])
      const failed = yield* exec("text('kept'); throw new Error('no luck')")
      assert.isTrue(failed.isError)
      assert.match(textOf(failed), /^Script failed\n[^]*kept\nScript error:\nError: no luck/)
      const wrong = yield* call("exec", { code: "1" })
      assert.isTrue(wrong.isError)
      assert.match(textOf(wrong), /source/)
    }))

  it.live("checks sources for those who ask for it, and runs nothing of one that does not fit", () =>
    Effect.gen(function*() {
      const { client, exec } = yield* stdio(["--check", "--mcp", official("everything")])
      const { tools } = yield* Effect.promise(() => client.listTools())
      assert.include(tools[0]!.description, "The source is checked against these types first.")
      const failed = yield* exec(
        "text(1)\ntext((await tools.mcp__everything__get_sum({ a: 40, c: 2 })).content[0].text)"
      )
      assert.isTrue(failed.isError)
      assert.match(textOf(failed), /^Script failed\n[^]*\nline 2, column 53: [^\n]*'c' does not exist in type/)
      assert.include(textOf(failed), "How to call it:\nmcp__everything__get_sum(args: {")
      const result = yield* exec("text((await tools.mcp__everything__get_sum({ a: 40, b: 2 })).content[0].text)")
      assert.match(outputOf(result), /42/)
    }))

  it.live("gives structured results to those who ask for them", () =>
    Effect.gen(function*() {
      const { client, exec } = yield* stdio(["--structured"])
      const { tools } = yield* Effect.promise(() => client.listTools())
      assert.isDefined(tools[0]!.outputSchema)
      const result = yield* exec(`text(1); image('data:image/png;base64,${pixel}')`)
      assert.deepInclude(result.structuredContent, { status: "Completed", success: true, cell_id: null })
    }))

  it.live("ends a cell whose request is cancelled, and the calls of it", () =>
    Effect.gen(function*() {
      const log = join(yield* folder, "log")
      const { client, exec } = yield* stdio(["--mcp", `fake=${server("--log", log)}`])
      const controller = new AbortController()
      const cancelled = client.callTool(
        { name: "exec", arguments: { source: "text(await tools.mcp__fake__wait({}))" } },
        undefined,
        { signal: controller.signal }
      )
      yield* Effect.promise(() => untilLogged(log, /"wait"/))
      controller.abort("enough")
      yield* Effect.exit(Effect.tryPromise(() => cancelled))
      yield* Effect.promise(() => untilLogged(log, /cancelled/))
      assert.strictEqual(outputOf(yield* exec("text('goes on')")), "goes on")
    }))

  it.live("answers what is not a message, and goes on", () =>
    Effect.gen(function*() {
      const { messages, status, stderr } = yield* raw(
        [
          initialize(),
          "{ no json\n",
          "[]\n",
          "17\n",
          "\n",
          `${JSON.stringify({ jsonrpc: "1.0", id: 1, method: "ping" })}\n`,
          `${JSON.stringify({ jsonrpc: "2.0", id: null, method: "ping" })}\n`,
          `${JSON.stringify({ jsonrpc: "2.0", id: "odd" })}\n`,
          `${JSON.stringify({ jsonrpc: "2.0", id: 77, result: {} })}\n`,
          `${"[".repeat(1000)}\n`,
          request("2", "no/such"),
          request(3, "tools/call", { name: "nothing" }),
          request(4, "tools/call", { arguments: [] }),
          exec(5, "text('alive')")
        ].join(""),
        5
      )
      assert.deepStrictEqual([status, stderr], [0, ""])
      const refused = messages.filter(({ error, id }) => id === null && error !== undefined)
      assert.sameMembers(refused.map(({ error }) => error.code), [-32700, -32600, -32600, -32600, -32700])
      assert.strictEqual(byId(messages, 1).error.code, -32600)
      assert.strictEqual(byId(messages, "odd").error.code, -32600)
      assert.strictEqual(byId(messages, "2").error.code, -32601)
      assert.isDefined(byId(messages, 3).error)
      assert.strictEqual(byId(messages, 4).error.code, -32602)
      assert.match(textOf(byId(messages, 5).result), /alive/)
    }))

  it.live("refuses a message that is too long, and hears the next one", () =>
    Effect.gen(function*() {
      const { messages } = yield* raw(
        initialize() + request(1, "ping", { pad: "x".repeat(17 * 1024 * 1024) }) + exec(2, "text('alive')"),
        2
      )
      assert.match(messages.find(({ id }) => id === null).error.message, /longer than 16 MiB/)
      assert.match(textOf(byId(messages, 2).result), /alive/)
    }))

  it.live("speaks the versions of the protocol that have sessions", () =>
    Effect.forEach(["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"], (version) =>
      Effect.gen(function*() {
        const { messages } = yield* raw(
          initialize(version) +
            exec(1, `text(1); image('data:image/png;base64,${pixel}'); audio('data:audio/wav;base64,UklGRg==')`),
          1
        )
        assert.strictEqual(byId(messages, 0).result.protocolVersion, version)
        const { content } = byId(messages, 1).result
        assert.deepStrictEqual(
          content.map(({ type }: { readonly type: string }) => type),
          version === "2024-11-05" ? ["text", "image", "text"] : ["text", "image", "audio"]
        )
      })))

  it.live("ends with its input and with SIGTERM, whatever a call does", () =>
    Effect.gen(function*() {
      const log = join(yield* folder, "log")
      const flags = ["--mcp", `fake=${[process.execPath, fixture, "--stubborn", "--log", log].join(" ")}`]
      for (const way of ["input", "signal"] as const) {
        const running = yield* start(process.execPath, [command, "mcp", ...flags], { keepOpen: true })
        running.child.stdin.write(initialize() + exec(1, "text(await tools.mcp__fake__wait({}))"))
        yield* Effect.promise(() => untilLogged(log, /"wait"/))
        if (way === "input") running.child.stdin.end()
        else running.child.kill("SIGTERM")
        const { status } = yield* Effect.timeout(running.result, "50 seconds")
        assert.strictEqual(status, way === "input" ? 0 : 130)
        writeFileSync(log, "")
      }
    }))

  it.live("answers its client while a server takes its time to start", () =>
    Effect.gen(function*() {
      const started = join(yield* folder, "started")
      const script = JSON.stringify({ "tools/list": [{ file: started }, { tools: 1 }] })
      const server = [process.execPath, join(root, "test/mcp/fixtures/scripted.js"), script]
      const { client, exec } = yield* stdio(["--mcp", `slow=${server.map((word) => `'${word}'`).join(" ")}`])
      yield* Effect.promise(() => client.ping())
      const listing = yield* Effect.forkChild(Effect.promise(() => client.listTools()))
      const running = yield* Effect.forkChild(exec("await tools.mcp__slow__t0({}); text('called')"))
      writeFileSync(started, "")
      assert.include((yield* Fiber.join(listing)).tools[0]!.description, "mcp__slow__t0")
      assert.strictEqual(outputOf(yield* Fiber.join(running)), "called")
    }))

  it.live("ends when a server turns out to be of no use", () =>
    Effect.gen(function*() {
      const running = yield* start(process.execPath, [
        command,
        "mcp",
        "--start-timeout",
        "3s",
        "--mcp",
        `fake=${[process.execPath, fixture, "--silent"].join(" ")}`
      ], { keepOpen: true })
      running.child.stdin.write(initialize())
      yield* running.printed("serverInfo")
      const { status, stderr } = yield* running.result
      assert.strictEqual(status, 2)
      assert.match(stderr, /MCP server fake cannot be used/)
    }))

  it.live("says what is wrong with its flags when its input is empty, too", () =>
    Effect.gen(function*() {
      const running = yield* start(process.execPath, [command, "mcp", "--config", "/no/such.json"], { stdin: "" })
      const { status, stderr } = yield* running.result
      assert.strictEqual(status, 2)
      assert.strictEqual(stderr, "effect-code-mode: --config /no/such.json: there is no such file or folder\n")
    }))

  it.live("ends with its input while a server still starts", () =>
    Effect.gen(function*() {
      const running = yield* start(process.execPath, [
        command,
        "mcp",
        "--mcp",
        `fake=${[process.execPath, fixture, "--silent"].join(" ")}`
      ], { stdin: initialize() })
      const { status } = yield* Effect.timeout(running.result, "50 seconds")
      assert.strictEqual(status, 0)
    }))

  it.live("ends when nobody reads its answers any more", () =>
    Effect.gen(function*() {
      const running = yield* start(process.execPath, [command, "mcp"], { keepOpen: true })
      running.child.stdin.write(initialize())
      yield* running.printed("serverInfo")
      running.child.stdout.destroy()
      running.child.stdin.write(exec(1, "text('to nobody')"))
      const { status } = yield* Effect.timeout(running.result, "50 seconds")
      assert.strictEqual(status, 0)
    }))

  it.live("says so when a file of its servers starts it again", () =>
    Effect.gen(function*() {
      const config = join(yield* folder, "mcp.json")
      const itself = { command: process.execPath, args: [command, "mcp", "--config", config] }
      writeFileSync(config, JSON.stringify({ mcpServers: { itself } }))
      const running = yield* start(process.execPath, itself.args, { keepOpen: true })
      const { status, stderr } = yield* running.result
      assert.strictEqual(status, 2)
      assert.match(stderr, /it has started itself/)
    }))

  it.live("answers before its clients give up, whatever a model asks for", () =>
    Effect.gen(function*() {
      const { call, exec } = yield* stdio(["--max-wait", "200ms"])
      const first = yield* exec(
        "// @exec: {\"yield_time_ms\": 600000}\nawait new Promise((r) => setTimeout(r, 60_000))"
      )
      assert.match(textOf(first), /^Script running/)
      const cell = first._meta?.["effect-code-mode/cell-id"]
      assert.match(textOf(yield* call("wait", { cell_id: cell })), /^Script running/)
      assert.match(textOf(yield* call("wait", { cell_id: cell, terminate: true })), /^Script terminated/)
    }))

  it.live("says on standard error why a server cannot be used", () =>
    Effect.gen(function*() {
      const running = yield* start(process.execPath, [command, "mcp", "--mcp", "no-such-command"], { keepOpen: true })
      const { status, stderr, stdout } = yield* running.result
      assert.deepStrictEqual([status, stdout], [2, ""])
      assert.match(stderr, /there is no command no-such-command/)
    }))
})
