import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import * as Delegate from "effect-code-mode/Delegate"
import * as McpServer from "effect-code-mode/McpServer"
import * as V8 from "effect-code-mode/V8"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { createServer, type IncomingMessage, request as httpRequest } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { folder, root, server as fixtureServer, start } from "../cli/Process.ts"
import { listening, startCommand } from "./Command.ts"
import { connect, official, type Options, outputOf, textOf, untilLogged } from "./SdkClient.ts"

/** A server in this process. */
const serve = (options: McpServer.HttpOptions = {}, delegate = Delegate.layerNoop) =>
  Effect.gen(function*() {
    const http = createServer()
    yield* Effect.addFinalizer(() => Effect.sync(() => http.closeAllConnections()))
    yield* Layer.build(
      HttpRouter.serve(McpServer.layerHttp(options), { disableLogger: true, disableListenLog: true }).pipe(
        Layer.provide([
          delegate,
          V8.layer({ warmLanes: 0 }),
          NodeHttpServer.layer(() => http, { port: 0, host: "127.0.0.1", gracefulShutdownTimeout: 0 })
        ])
      )
    )
    const { port } = http.address() as AddressInfo
    return new URL(`http://127.0.0.1:${port}/mcp`)
  })

const client = (url: URL, options?: Options, headers: Record<string, string> = {}) =>
  Effect.gen(function*() {
    const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers } })
    return { ...yield* connect(transport, options), transport }
  })

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage["headers"]
  readonly body: string
}

const message = (id: unknown, method: string, params: object = {}) => ({ jsonrpc: "2.0", id, method, params })

const initialize = message(0, "initialize", {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "raw", version: "1" }
})

/** A request as no well-meant client would send it. A header that is empty is left out. */
const ask = (url: URL, method: string, body?: unknown, headers: Record<string, string> = {}) =>
  Effect.promise(() =>
    new Promise<Answer>((resolve, reject) => {
      const sent = {
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        ...headers
      }
      const request = httpRequest(url, {
        method,
        headers: Object.fromEntries(Object.entries(sent).filter(([, value]) => value !== ""))
      }, (response) => {
        let text = ""
        response.setEncoding("utf8").on("data", (chunk) => {
          text += chunk
        })
        response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, body: text }))
      })
      request.on("error", reject)
      request.end(body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body))
    })
  )

const open = (url: URL, headers: Record<string, string> = {}) =>
  Effect.map(ask(url, "POST", initialize, headers), ({ body, headers, status }) => {
    assert.strictEqual(status, 200, body)
    return headers["mcp-session-id"] as string
  })

const call = (source: string, id = 1) => message(id, "tools/call", { name: "exec", arguments: { source } })

describe("the MCP server over HTTP", () => {
  it.live("gives each client of the official kind a session of its own", () =>
    Effect.gen(function*() {
      const url = yield* serve()
      const one = yield* client(url)
      const two = yield* client(url)
      assert.notStrictEqual(one.transport.sessionId, two.transport.sessionId)
      yield* one.exec("store('secret', 42)")
      assert.strictEqual(outputOf(yield* one.exec("text(load('secret'))")), "42")
      assert.strictEqual(outputOf(yield* two.exec("text(String(load('secret')))")), "undefined")

      const first = yield* one.exec("yield_control(); await new Promise((r) => setTimeout(r, 60_000))")
      const cell = first._meta?.["effect-code-mode/cell-id"]
      assert.match(textOf(yield* two.call("wait", { cell_id: cell })), /not found/)
      assert.match(textOf(yield* one.call("wait", { cell_id: cell, terminate: true })), /^Script terminated/)
    }))

  it.live("runs many cells of many clients at a time", () =>
    Effect.gen(function*() {
      const url = yield* serve()
      const results = yield* Effect.forEach(
        Array.from({ length: 4 }, (_, index) => index),
        (index) =>
          Effect.gen(function*() {
            const { exec } = yield* client(url)
            const outputs = yield* Effect.forEach(
              Array.from({ length: 8 }, (_, cell) => cell),
              (cell) => Effect.map(exec(`text(${index} * 100 + ${cell})`), outputOf),
              { concurrency: "unbounded" }
            )
            return outputs.map(Number)
          }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        results,
        [0, 100, 200, 300].map((first) => Array.from({ length: 8 }, (_, cell) => first + cell))
      )
    }))

  it.live("ends a session when its client says so", () =>
    Effect.gen(function*() {
      const url = yield* serve()
      const session = { "mcp-session-id": yield* open(url) }
      assert.strictEqual((yield* ask(url, "POST", message(1, "ping"), session)).status, 200)
      assert.strictEqual((yield* ask(url, "DELETE", undefined, session)).status, 204)
      for (const [method, body] of [["POST", message(2, "ping")], ["GET", undefined], ["DELETE", undefined]] as const) {
        assert.strictEqual((yield* ask(url, method, body, session)).status, 404, method)
      }
      const { transport } = yield* client(url)
      yield* Effect.promise(() => transport.terminateSession())
      assert.isUndefined(transport.sessionId)
    }))

  it.live("ends the cells of a session that is ended, and their calls", () =>
    Effect.gen(function*() {
      const log = join(yield* folder, "log")
      const running = yield* startCommand([
        "mcp",
        "--http",
        "0",
        "--mcp",
        `fake=${fixtureServer("--log", log)}`
      ], { keepOpen: true })
      const url = yield* listening(running)
      const session = { "mcp-session-id": yield* open(url) }
      const pending = ask(url, "POST", call("await tools.mcp__fake__wait({})"), session)
      const [answer] = yield* Effect.all([
        pending,
        Effect.andThen(
          Effect.promise(() => untilLogged(log, /"wait"/)),
          ask(url, "DELETE", undefined, session)
        )
      ], { concurrency: "unbounded" })
      assert.strictEqual(answer.status, 200)
      yield* Effect.promise(() => untilLogged(log, /notifications\/cancelled/))
    }))

  it.live("ends a session that nobody has used for long", () =>
    Effect.gen(function*() {
      const url = yield* serve({ maxIdle: "200 millis" })
      const { exec } = yield* client(url)
      const session = { "mcp-session-id": yield* open(url) }
      const gone = ask(url, "POST", message(1, "ping"), session).pipe(
        Effect.delay("400 millis"),
        Effect.repeat({ until: ({ status }) => status === 404 })
      )
      assert.strictEqual((yield* gone).status, 404)
      // One whose stream is open is used.
      assert.strictEqual(outputOf(yield* exec("text('still here')")), "still here")
    }))

  it.live("refuses pages of other origins, other names, and clients without the token", () =>
    Effect.gen(function*() {
      const url = yield* serve()
      const origins = ["https://evil.example", "http://localhost:3000", "null"]
      for (const origin of origins) {
        assert.strictEqual((yield* ask(url, "POST", initialize, { origin })).status, 403, origin)
      }
      assert.strictEqual((yield* ask(url, "POST", initialize, { host: "evil.example" })).status, 403)
      const rebound = { host: "evil.example", origin: "http://evil.example" }
      assert.strictEqual((yield* ask(url, "POST", initialize, rebound)).status, 403)
      assert.strictEqual((yield* ask(url, "POST", initialize, { origin: url.origin })).status, 200)
      assert.strictEqual((yield* ask(url, "POST", initialize, { host: "localhost:1" })).status, 200)

      const origin = "https://inspector.example"
      const guarded = yield* serve({ allowedOrigins: [origin], token: Redacted.make("open sesame") })
      const preflight = yield* ask(guarded, "OPTIONS", undefined, { origin })
      assert.strictEqual(preflight.status, 204)
      assert.strictEqual(preflight.headers["access-control-allow-origin"], origin)
      assert.strictEqual((yield* ask(guarded, "POST", initialize, { origin })).status, 401)
      const authorization = "Bearer open sesame"
      const opened = yield* ask(guarded, "POST", initialize, { origin, authorization })
      assert.strictEqual(opened.status, 200)
      assert.strictEqual(opened.headers["access-control-expose-headers"], "mcp-session-id")
      assert.strictEqual(
        (yield* ask(guarded, "POST", message(1, "ping"), {
          authorization: "Bearer wrong",
          "mcp-session-id": opened.headers["mcp-session-id"] as string
        })).status,
        401
      )
      const { exec } = yield* client(guarded, {}, { authorization })
      assert.strictEqual(outputOf(yield* exec("text(1)")), "1")
    }))

  it.live("asks for calls of tools that are annotated so, and keeps the answer within the session", () =>
    Effect.gen(function*() {
      let drops = 0
      const tools = Delegate.layerTools({
        drop: Delegate.tool({
          description: "Drops a table",
          annotations: { needsApproval: true },
          parameters: Schema.Struct({}),
          handler: () => Effect.sync(() => ++drops)
        })
      })
      const url = yield* serve({}, tools)
      const source = "text(await tools.drop({}).catch((error) => error.message))"
      const yes = yield* client(url, { elicit: () => ({ action: "accept", content: { session: true } }) })
      const no = yield* client(url, { elicit: () => ({ action: "decline" }) })
      assert.strictEqual(outputOf(yield* yes.exec(source)), "1")
      assert.match(outputOf(yield* no.exec(source)), /the user declined it/)
      assert.strictEqual(outputOf(yield* yes.exec(source)), "2")
      assert.match(outputOf(yield* no.exec(source)), /the user declined it/)
    }))

  it.live("answers what is not a request as the specification says", () =>
    Effect.gen(function*() {
      const url = yield* serve()
      const session = { "mcp-session-id": yield* open(url) }
      const status = (method: string, body?: unknown, headers: Record<string, string> = session) =>
        Effect.map(ask(url, method, body, headers), ({ status }) => status)
      assert.strictEqual(yield* status("POST", message(1, "ping"), {}), 400)
      assert.strictEqual(yield* status("POST", message(1, "ping"), { "mcp-session-id": "made-up" }), 404)
      assert.strictEqual(yield* status("POST", initialize), 400)
      assert.strictEqual(yield* status("POST", "{ no json"), 400)
      assert.strictEqual(yield* status("POST", "[]"), 400)
      assert.strictEqual(yield* status("POST", { jsonrpc: "2.0", id: 1 }), 400)
      assert.strictEqual(yield* status("POST", message(1, "ping"), { ...session, "content-type": "text/plain" }), 415)
      assert.strictEqual(yield* status("POST", message(1, "ping"), { ...session, accept: "application/json" }), 406)
      assert.strictEqual(yield* status("GET", undefined, { ...session, accept: "application/json" }), 406)
      assert.strictEqual(
        yield* status("POST", message(1, "ping"), { ...session, "mcp-protocol-version": "1999-01-01" }),
        400
      )
      assert.strictEqual(
        yield* status("POST", message(1, "ping"), { ...session, "mcp-protocol-version": "2025-11-25" }),
        200
      )
      assert.strictEqual(yield* status("PUT", message(1, "ping")), 405)
      assert.strictEqual(yield* status("POST", { jsonrpc: "2.0", method: "notifications/initialized" }), 202)
      assert.strictEqual(yield* status("POST", { jsonrpc: "2.0", id: 99, result: {} }), 202)
      const unknown = yield* ask(url, "POST", message(2, "no/such"), session)
      assert.strictEqual(JSON.parse(unknown.body).error.code, -32601)
      assert.strictEqual((yield* ask(new URL("/other", url), "POST", initialize)).status, 404)
    }))

  it.live("refuses a body that is too long, and more sessions than there may be", () =>
    Effect.gen(function*() {
      const url = yield* serve({ maxSessions: 2 })
      const session = { "mcp-session-id": yield* open(url) }
      const long = yield* ask(url, "POST", message(1, "ping", { pad: "x".repeat(17 * 1024 * 1024) }), session)
      assert.strictEqual(long.status, 413)
      yield* open(url)
      assert.strictEqual((yield* ask(url, "POST", initialize)).status, 503)
      yield* ask(url, "DELETE", undefined, session)
      yield* open(url)
    }))

  it.live("ends a cell whose request is cancelled, and goes on with one whose wait is", () =>
    Effect.gen(function*() {
      const url = yield* serve()
      const { call, client: sdk, exec } = yield* client(url)
      const cancelled = (name: string, input: Record<string, unknown>) =>
        Effect.promise(async () => {
          const controller = new AbortController()
          const asked = sdk.callTool({ name, arguments: input }, undefined, { signal: controller.signal })
          setTimeout(() => controller.abort("enough"), 200)
          await asked.then(() => assert.fail("it was answered"), () => {})
        })
      yield* cancelled("exec", { source: "await new Promise((r) => setTimeout(r, 400)); store('ended', true)" })
      const started = yield* exec("yield_control(); await new Promise((r) => setTimeout(r, 1000)); text('at last')")
      const wait = { cell_id: started._meta?.["effect-code-mode/cell-id"] }
      yield* cancelled("wait", wait)
      assert.strictEqual(outputOf(yield* call("wait", wait)), "at last")
      assert.strictEqual(outputOf(yield* exec("text(String(load('ended')))")), "undefined")
    }))

  it.live("goes on with a call whose client hears no more of it", () =>
    Effect.gen(function*() {
      const url = yield* serve()
      const session = { "mcp-session-id": yield* open(url) }
      const controller = new AbortController()
      const response = yield* Effect.promise(() =>
        fetch(url, {
          method: "POST",
          headers: {
            ...session,
            accept: "application/json, text/event-stream",
            "content-type": "application/json"
          },
          body: JSON.stringify(call("await new Promise((r) => setTimeout(r, 200)); store('done', true)")),
          signal: controller.signal
        })
      )
      assert.strictEqual(response.headers.get("content-type"), "text/event-stream")
      controller.abort()
      const done = ask(url, "POST", call("text(String(load('done')))", 2), session).pipe(
        Effect.delay("100 millis"),
        Effect.repeat({ until: ({ body }) => body.includes("true") })
      )
      assert.match((yield* done).body, /true/)
    }))
})

const hanging = call("await tools.mcp__everything__trigger_long_running_operation({ duration: 60, steps: 1 })")

describe("the command mcp --http", () => {
  it.live("serves clients of the official kind until SIGTERM, whatever a call does", () =>
    Effect.gen(function*() {
      const running = yield* startCommand(["mcp", "--http", "0", "--mcp", official("everything")], { keepOpen: true })
      const url = yield* listening(running)
      assert.strictEqual(url.hostname, "127.0.0.1")
      const { call, exec } = yield* client(url)
      const result = yield* exec("content(await tools.mcp__everything__get_tiny_image({}))")
      assert.isTrue(result.content.some(({ type }) => type === "image"))
      assert.match(textOf(yield* call("search", { query: "sum of numbers" })), /get_sum/)

      const session = { "mcp-session-id": yield* open(url) }
      yield* Effect.forkScoped(Effect.exit(ask(url, "POST", hanging, session)))
      running.child.kill("SIGTERM")
      const { status, stdout } = yield* Effect.timeout(running.result, "50 seconds")
      assert.deepStrictEqual([status, stdout], [130, ""])
    }))

  it.live("does not listen where others can reach it, unless there is a token", () =>
    Effect.gen(function*() {
      const { EFFECT_CODE_MODE_TOKEN: _, ...env } = process.env
      const running = yield* startCommand(["mcp", "--http", "0", "--host", "0.0.0.0"], { env })
      const { status, stderr } = yield* running.result
      assert.strictEqual(status, 2)
      assert.match(stderr, /set EFFECT_CODE_MODE_TOKEN/)
    }))

  it.live("says so when the port is taken", () =>
    Effect.gen(function*() {
      const url = yield* serve()
      const running = yield* startCommand(["mcp", "--http", url.port])
      const { status, stderr } = yield* running.result
      assert.strictEqual(status, 2)
      assert.match(stderr, /--http: .*EADDRINUSE/)
    }))
})

describe("examples/mcp-server.ts", () => {
  it.live("serves a tool of its own", () =>
    Effect.gen(function*() {
      const { child } = yield* start(process.execPath, [join(root, "examples/mcp-server.ts"), "0"], { keepOpen: true })
      const port = yield* Effect.promise(() =>
        new Promise<string>((resolve) => {
          child.stdout.on("data", (text) => {
            const found = /:(\d+)\b[^:]*$/.exec(/https?:\/\/\S+/.exec(String(text))?.[0] ?? "")
            if (found !== null) resolve(found[1]!)
          })
        })
      )
      const { exec } = yield* client(new URL(`http://127.0.0.1:${port}/mcp`))
      assert.strictEqual(outputOf(yield* exec("text(await tools.add({ a: 40, b: 2 }))")), "42")
    }))
})
