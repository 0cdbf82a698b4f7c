import { assert, describe, it } from "@effect/vitest"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import type { ElicitRequest, ElicitResult } from "@modelcontextprotocol/sdk/types.js"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { folder, root } from "../cli/Process.ts"
import { listening, startCommand } from "./Command.ts"
import { connect, official, outputOf, stdio, textOf } from "./SdkClient.ts"

type Asked = ElicitRequest["params"]

/** Answers one after the other, and keeps what was asked. */
const answering = (...answers: ReadonlyArray<ElicitResult>) => {
  const asked: Array<Asked> = []
  const left = [...answers]
  return {
    asked,
    elicit: (request: Asked): ElicitResult => {
      asked.push(request)
      return left.shift() ?? { action: "cancel" }
    }
  }
}

const accept = (content: Record<string, string | boolean> = {}): ElicitResult => ({ action: "accept", content })

const files = (path: string) => ["--mcp", official("filesystem", path), "--approve"]

const write = (path: string, content: string) =>
  `await tools.mcp__filesystem__write_file({ path: ${JSON.stringify(path)}, content: ${JSON.stringify(content)} })`

describe("approvals of a client's user", () => {
  it.live("are asked for before each call of a tool that is not read-only, once or for the session", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const { asked, elicit } = answering(accept(), accept({ session: true }))
      const { exec } = yield* stdio(files(path), { elicit })
      const file = join(path, "a.txt")
      const result = yield* exec(`
        text((await tools.mcp__filesystem__list_allowed_directories({})).isError ?? false)
        ${write(file, "one")}
        ${write(file, "two")}
        ${write(file, "three")}
        text((await tools.mcp__filesystem__read_text_file({ path: ${JSON.stringify(file)} })).content[0].text)
      `)
      assert.strictEqual(outputOf(result), "false\nthree")
      yield* exec(write(file, "four"))
      assert.strictEqual(asked.length, 2)
      assert.include(asked[0]!.message, "A cell wants to call mcp__filesystem__write_file (destructive) with:\n{")
      assert.include(asked[0]!.message, "\"content\": \"one\"")
      assert.strictEqual(readFileSync(file, "utf8"), "four")
    }))

  it.live("that are declined, or not given, reject the call with a reason, and nothing was done", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const file = join(path, "a.txt")
      const { asked, elicit } = answering({ action: "decline" }, { action: "cancel" })
      const { exec } = yield* stdio(files(path), { elicit })
      const source = `try { ${write(file, "one")} } catch (error) { text(error.message) }`
      assert.match(outputOf(yield* exec(source)), /was not called: it was denied, because the user declined it/)
      assert.match(outputOf(yield* exec(source)), /because the user did not answer/)
      assert.strictEqual(asked.length, 2)
      assert.isFalse(existsSync(file))
    }))

  it.live("are denied at once where the client cannot ask", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const { exec } = yield* stdio(files(path))
      const result = yield* exec(write(join(path, "a.txt"), "one"))
      assert.isTrue(result.isError)
      assert.match(textOf(result), /denied, because the client of this session cannot ask its user/)
      assert.isFalse(existsSync(join(path, "a.txt")))
    }))

  it.live("keep a cell waiting, which says so, and are taken back with it", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const withdrawn = yield* Deferred.make<void>()
      const { call, exec } = yield* stdio(files(path), {
        elicit: (_, { signal }) =>
          new Promise<ElicitResult>((resolve) =>
            signal.addEventListener("abort", () => {
              Deferred.doneUnsafe(withdrawn, Effect.void)
              resolve({ action: "cancel" })
            })
          )
      })
      const result = yield* exec(`// @exec: {"yield_time_ms": 300}\n${write(join(path, "a.txt"), "one")}`)
      assert.match(textOf(result), /^Script running/)
      assert.match(textOf(result), /A call will go on when a person agrees/)
      const cell = result._meta?.["effect-code-mode/cell-id"]
      assert.match(textOf(yield* call("wait", { cell_id: cell, terminate: true })), /^Script terminated/)
      yield* Deferred.await(withdrawn)
      assert.isFalse(existsSync(join(path, "a.txt")))
    }))

  it.live("reach clients of older versions, whose forms know less", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const running = yield* startCommand(["mcp", ...files(path)], { keepOpen: true })
      const send = (message: object) => running.child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)
      send({
        id: 0,
        method: "initialize",
        params: {
          protocolVersion: "2025-06-18",
          capabilities: { elicitation: {} },
          clientInfo: { name: "old", version: "1" }
        }
      })
      send({
        id: 1,
        method: "tools/call",
        params: { name: "exec", arguments: { source: write(join(path, "a.txt"), "one") } }
      })
      yield* running.printed("elicitation/create")
      const question = running.stdout().split("\n").find((line) => line.includes("elicitation/create"))!
      send({ id: JSON.parse(question).id, result: { action: "accept", content: { session: false } } })
      yield* running.printed("Script completed")
      assert.strictEqual(readFileSync(join(path, "a.txt"), "utf8"), "one")
    }))

  it.live("can be asked for all tools, or some", () =>
    Effect.gen(function*() {
      const path = yield* folder
      for (
        const [which, asked] of [["--approve=all", 1], ["--approve=*__read_*", 0], ["--approve=*__list_*", 1]] as const
      ) {
        const answers = answering(accept())
        const { exec } = yield* stdio(["--mcp", official("filesystem", path), which], answers)
        yield* exec("await tools.mcp__filesystem__list_allowed_directories({})")
        assert.strictEqual(answers.asked.length, asked, which)
      }
    }))
})

describe("servers behind the MCP server", () => {
  it.live("ask the user of the client whose cell calls them", () =>
    Effect.gen(function*() {
      const running = yield* startCommand(["mcp", "--http", "0", "--mcp", official("everything")], { keepOpen: true })
      const url = yield* listening(running)
      const open = (name: string) => {
        const answers = answering(accept({ name }))
        return Effect.map(connect(new StreamableHTTPClientTransport(url), answers), (connected) => ({
          ...connected,
          ...answers
        }))
      }
      const one = yield* open("Ada")
      const two = yield* open("Grace")
      // The server lists the tool once it knows that it may ask.
      const source = `
        while (tools.mcp__everything__trigger_elicitation_request === undefined) exit()
        content(await tools.mcp__everything__trigger_elicitation_request({}))`
      const ask = ({ exec }: typeof one) =>
        exec(source).pipe(
          Effect.map(textOf),
          Effect.repeat({ until: (text) => !text.includes("put out nothing") })
        )
      assert.match(yield* ask(one), /Name: Ada/)
      assert.match(yield* ask(two), /Name: Grace/)
      assert.deepStrictEqual([one.asked.length, two.asked.length], [1, 1])
      assert.match(one.asked[0]!.message, /^everything asks: /)
    }))

  it.live("tell their client that their tools have changed", () =>
    Effect.gen(function*() {
      const script = JSON.stringify({
        "tools/list": [[{ tools: 1 }], [{ tools: 2 }]],
        "tools/call": ["{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}", {
          result: { content: [] }
        }]
      })
      const server = [process.execPath, join(root, "test/mcp/fixtures/scripted.js"), script]
      const { client, exec, toolsChanged } = yield* stdio(["--mcp", server.map((word) => `'${word}'`).join(" ")])
      const before = yield* Effect.promise(() => client.listTools())
      assert.notInclude(before.tools[0]!.description, "mcp__scripted__t1")
      yield* exec("await tools.mcp__scripted__t0({})")
      yield* Queue.take(toolsChanged)
      const after = yield* Effect.promise(() => client.listTools())
      assert.include(after.tools[0]!.description, "mcp__scripted__t1")
    }))
})

describe("what cells and calls say meanwhile", () => {
  it.live("arrives as a message of the log, and as progress where that was asked for", () =>
    Effect.gen(function*() {
      const home = yield* folder
      const gates = ["first", "second"].map((name) => join(home, name))
      const script = JSON.stringify({ "tools/call": gates.map((file) => [{ file }, { result: { content: [] } }]) })
      const server = [process.execPath, join(root, "test/mcp/fixtures/scripted.js"), script]
      const { call, client, exec, logged } = yield* stdio([
        "--mcp",
        official("everything"),
        "--mcp",
        server.map((word) => `'${word}'`).join(" ")
      ])
      const steps: Array<string | undefined> = []
      const onprogress = ({ message }: { readonly message?: string | undefined }) => {
        steps.push(message)
      }
      // The official client forgets who asked with the answer. So a cell waits at a gate until its progress is there.
      const pass = "tools.mcp__scripted__do({})"
      const hearing = (asking: Effect.Effect<unknown>, isThere: () => boolean) =>
        Effect.gen(function*() {
          const asked = yield* Effect.forkChild(asking)
          yield* Effect.repeat(Effect.sleep("10 millis"), { until: isThere })
          writeFileSync(gates.shift()!, "")
          yield* Fiber.join(asked)
        })
      yield* hearing(exec(`notify('one'); notify({ two: 2 }); await ${pass}`, { onprogress }), () => steps.length === 2)
      assert.deepStrictEqual(steps, ["one", "{\"two\":2}"])
      assert.deepStrictEqual(yield* Queue.takeN(logged, 2), ["one", "{\"two\":2}"])

      const operation = "tools.mcp__everything__trigger_long_running_operation({ duration: 0.2, steps: 2 })"
      yield* hearing(
        exec(`await ${operation}; await ${pass}`, { onprogress }),
        () => steps.at(-1)?.endsWith(": 2 of 2") === true
      )

      // A client may want to hear less.
      yield* Effect.promise(() => client.setLoggingLevel("error"))
      yield* exec("notify('four')")
      yield* Effect.promise(() => client.setLoggingLevel("info"))
      yield* exec("notify('five')")
      assert.strictEqual(yield* Queue.take(logged), "five")

      const started = yield* exec(
        `yield_control(); while (true) { notify('again'); await new Promise((resolve) => setTimeout(resolve, 50)) }`
      )
      const cell_id = started._meta?.["effect-code-mode/cell-id"]
      yield* call("wait", { cell_id, yield_time_ms: 1000 }, { onprogress })
      assert.strictEqual(steps.at(-1), "again")
      yield* call("wait", { cell_id, terminate: true })
    }))
})

describe("resources of servers", () => {
  it.live("are listed and read, those of templates and unlisted ones, too", () =>
    Effect.gen(function*() {
      const { client } = yield* stdio(["--mcp", official("everything")])
      assert.isDefined(client.getServerCapabilities()?.resources)
      const read = (uri: string) => Effect.promise(() => client.readResource({ uri }))
      // Before anything was listed.
      const dynamic = yield* read("demo://resource/dynamic/text/7")
      assert.match(JSON.stringify(dynamic.contents), /Resource 7/)
      const { resources } = yield* Effect.promise(() => client.listResources())
      const features = resources.find(({ uri }) => uri.endsWith("features.md"))!
      assert.strictEqual(features.mimeType, "text/markdown")
      assert.match(JSON.stringify((yield* read(features.uri)).contents), /Server Features/i)
      const { resourceTemplates } = yield* Effect.promise(() => client.listResourceTemplates())
      assert.include(
        resourceTemplates.map(({ uriTemplate }) => uriTemplate),
        "demo://resource/dynamic/text/{resourceId}"
      )
      const blob = yield* read("demo://resource/dynamic/blob/7")
      assert.isString((blob.contents[0] as { readonly blob?: string }).blob)
      const failed = yield* Effect.flip(Effect.tryPromise(() => client.readResource({ uri: "no://such" })))
      assert.match(String(failed.cause), /not found/)
    }))

  it.live("are not there where cells may not read them", () =>
    Effect.gen(function*() {
      const { client } = yield* stdio(["--mcp", official("everything"), "--deny", "*__read_resource"])
      // A client is told that there may be some while servers take their time to start.
      const mayHave = client.getServerCapabilities()?.resources !== undefined
      const { resources } = mayHave ? yield* Effect.promise(() => client.listResources()) : { resources: [] }
      assert.deepStrictEqual(resources, [])
    }))
})
