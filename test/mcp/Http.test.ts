import { assert, describe, it } from "@effect/vitest"
import * as Mcp from "effect-code-mode/Mcp"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

interface Message {
  readonly id?: number
  readonly method: string
  readonly params?: any
}

type Answer = (message: Message, response: ServerResponse, request: IncomingMessage) => void

const json = (response: ServerResponse, body: unknown, headers: Record<string, string> = {}) => {
  response.writeHead(200, { "content-type": "application/json", ...headers })
  response.end(JSON.stringify(body))
}

const event = (body: unknown, id?: string) =>
  `${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(body)}\n\n`

/** A server on HTTP with one tool, whose every answer a test may take over. */
const server = (answer: Partial<Record<string, Answer>> = {}) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly seen: Array<string>; readonly close: () => void }>((resume) => {
      const seen: Array<string> = []
      const http = createServer((request, response) => {
        let text = ""
        request.on("data", (chunk) => {
          text += chunk
        })
        request.on("end", () => {
          const message: Message = request.method === "POST" ? JSON.parse(text) : { method: request.method! }
          seen.push(
            `${message.method} ${request.headers["mcp-session-id"] ?? "-"} ${request.headers.authorization ?? "-"}`
          )
          const { id, method, params } = message
          const custom = answer[method]
          if (custom !== undefined) {
            return custom(message, response, request)
          }
          switch (method) {
            case "initialize":
              return json(response, {
                jsonrpc: "2.0",
                id,
                result: {
                  protocolVersion: params.protocolVersion,
                  capabilities: { tools: {} },
                  serverInfo: { name: "web", version: "1" }
                }
              }, { "mcp-session-id": "session-1" })
            case "tools/list":
              return json(response, {
                jsonrpc: "2.0",
                id,
                result: { tools: [{ name: "do", inputSchema: { type: "object" } }] }
              })
            case "tools/call":
              return json(response, { jsonrpc: "2.0", id, result: { content: [], unheardOf: 1 } })
            default: {
              response.statusCode = method.startsWith("notifications/") ? 202 : method === "DELETE" ? 200 : 405
              return response.end()
            }
          }
        })
      })
      http.listen(0, "127.0.0.1", () => {
        resume(Effect.succeed({
          url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
          seen,
          close: () => {
            http.close()
            http.closeAllConnections()
          }
        }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const failure = (url: string) =>
  Effect.flip(Mcp.connect({ name: "web", url })).pipe(Effect.map(({ message }) => message))

describe("Mcp over HTTP", () => {
  it.live("lists and calls tools, and says good-bye", () =>
    Effect.gen(function*() {
      const { seen, url } = yield* server()
      const scope = yield* Scope.make()
      const self = yield* Mcp.connect({ url, headers: { Authorization: "Bearer x" } }).pipe(Scope.provide(scope))
      assert.strictEqual(self.name, "web")
      assert.deepStrictEqual(self.tools.map(({ name }) => name), ["do"])
      assert.deepStrictEqual(yield* self.callTool("do", {}), { content: [], unheardOf: 1 })
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(seen.filter((each) => !each.startsWith("GET")), [
        "initialize - Bearer x",
        "notifications/initialized session-1 Bearer x",
        "tools/list session-1 Bearer x",
        "tools/call session-1 Bearer x",
        "DELETE session-1 Bearer x"
      ])
    }))

  it.live("takes an answer from a stream", () =>
    Effect.gen(function*() {
      const { url } = yield* server({
        "tools/call": ({ id }, response) => {
          response.writeHead(200, { "content-type": "text/event-stream" })
          response.write(event({ jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: 1 } }))
          response.end(event({ jsonrpc: "2.0", id, result: { content: [] } }))
        }
      })
      const self = yield* Mcp.connect({ url })
      assert.deepStrictEqual(yield* self.callTool("do", {}), { content: [] })
    }))

  it.live("takes up a stream that broke off", () =>
    Effect.gen(function*() {
      let call: number | undefined
      const { url } = yield* server({
        "tools/call": ({ id }, response) => {
          call = id
          response.writeHead(200, { "content-type": "text/event-stream" })
          response.end("id: 7\nretry: 10\ndata: \n\n")
        },
        GET: (_, response, request) => {
          if (request.headers["last-event-id"] !== "7") {
            response.statusCode = 405
            return response.end()
          }
          response.writeHead(200, { "content-type": "text/event-stream" })
          response.end(event({ jsonrpc: "2.0", id: call, result: { content: [] } }, "8"))
        }
      })
      const self = yield* Mcp.connect({ url })
      assert.deepStrictEqual(yield* self.callTool("do", {}), { content: [] })
    }))

  it.live("fails a call whose stream ends without an answer", () =>
    Effect.gen(function*() {
      const { url } = yield* server({
        "tools/call": (_, response) => {
          response.writeHead(200, { "content-type": "text/event-stream" })
          response.write(": a comment\n\n")
          setImmediate(() => response.destroy())
        }
      })
      const self = yield* Mcp.connect({ url })
      const { text } = yield* Effect.flip(self.callTool("do", {}))
      assert.match(text, /ended the connection before it had answered$/)
    }))

  it.live("fails a call whose server goes away for good", () =>
    Effect.gen(function*() {
      const { close, url } = yield* server({
        "tools/call": (_, response) => {
          response.writeHead(200, { "content-type": "text/event-stream" })
          response.end("id: 1\nretry: 10\ndata: \n\n")
        },
        GET: (_, response, request) => {
          if (request.headers["last-event-id"] === "1") {
            return close()
          }
          response.statusCode = 405
          response.end()
        }
      })
      const self = yield* Mcp.connect({ url })
      const { text } = yield* Effect.flip(self.callTool("do", {}))
      assert.match(text, /cannot be reached any more$/)
    }))

  it.live("fails a call that is refused, and one whose server is gone", () =>
    Effect.gen(function*() {
      const { close, url } = yield* server({
        "tools/call": (_, response) => {
          response.writeHead(503, "Service Unavailable")
          response.end("<html><body>come  back\n<b>later</b></body></html>")
        }
      })
      const self = yield* Mcp.connect({ url })
      const call = Effect.flip(self.callTool("do", {})).pipe(Effect.map(({ text }) => text))
      assert.strictEqual(yield* call, `${url} answered 503 Service Unavailable: come back later`)
      close()
      assert.match(yield* call, /^http:.* cannot be reached \(\w+\): is the server running\?$/)
    }))

  it.live("cancels an interrupted call on the server", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const cancelled = yield* Deferred.make<number>()
      const { url } = yield* server({
        "tools/call": () => Deferred.doneUnsafe(started, Effect.void),
        "notifications/cancelled": ({ params }, response) => {
          Deferred.doneUnsafe(cancelled, Effect.succeed(params.requestId))
          response.statusCode = 202
          response.end()
        }
      })
      const self = yield* Mcp.connect({ url })
      const call = yield* Effect.forkChild(self.callTool("do", {}), { startImmediately: true })
      yield* Deferred.await(started)
      yield* Fiber.interrupt(call)
      assert.isNumber(yield* Deferred.await(cancelled))
    }))

  describe("a server that cannot be used", () => {
    it.live("because there is none", () =>
      Effect.gen(function*() {
        const { close, url } = yield* server()
        close()
        assert.strictEqual(
          yield* failure(url),
          `MCP server web cannot be used: ${url} cannot be reached (ECONNREFUSED): is the server running?`
        )
      }))

    it.live("because its address is none", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* failure("not a url"), "MCP server web cannot be used: not a url is no URL")
      }))

    it.live.each(
      [
        [401, "Unauthorized", "it may want an Authorization header, which a config file can give under \"headers\""],
        [404, "Not Found", "is this the path of its MCP endpoint?"]
      ] as const
    )("because it answers %d", ([status, text, advice]) =>
      Effect.gen(function*() {
        const { url } = yield* server({
          initialize: (_, response) => {
            response.statusCode = status
            response.end()
          }
        })
        assert.strictEqual(
          yield* failure(url),
          `MCP server web cannot be used: ${url} answered ${status} ${text}; ${advice}`
        )
      }))
  })
})
