import { assert, describe, it } from "@effect/vitest"
import * as Mcp from "effect-code-mode/Mcp"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { gzipSync } from "node:zlib"

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

  it.live("sends the user and the password of an address as what they stand for", () =>
    Effect.gen(function*() {
      const { seen, url } = yield* server()
      yield* Mcp.connect({ url: url.replace("//", "//me:s%20cret@") })
      assert.include(seen, `initialize - Basic ${Buffer.from("me:s cret").toString("base64")}`)
      yield* Mcp.connect({ url: url.replace("//", "//100%:a+b@") })
      assert.include(seen, `initialize - Basic ${Buffer.from("100%:a+b").toString("base64")}`)
      const { message } = yield* Effect.flip(Mcp.connect({ url: "http://me:s%20cret@127.0.0.1:1/mcp" }))
      assert.strictEqual(
        message,
        "MCP server http://me:[redacted]@127.0.0.1:1/mcp cannot be used: " +
          "http://127.0.0.1:1/mcp cannot be reached (bad port): is the server running?"
      )
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

  const sse = (response: ServerResponse, ...events: ReadonlyArray<string>) => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    events.forEach((each) => response.write(each))
    return response
  }
  const refusal = (answer: Answer, more: Partial<Record<string, Answer>> = {}) =>
    Effect.gen(function*() {
      const { url } = yield* server({ ...more, "tools/call": answer })
      const self = yield* Mcp.connect({ url })
      const { text } = yield* Effect.flip(self.callTool("do", {}))
      return text.replaceAll(new URL(url).origin, "ORIGIN")
    })
  const noGet: Answer = (_, response) => {
    response.statusCode = 405
    response.end()
  }

  describe("a call that cannot be answered any more", () => {
    const full = { code: -32603, message: "disk is full" }
    const cases: ReadonlyArray<readonly [string, Answer, string]> = [
      ["202", (_, response) => void response.writeHead(202).end(), "ORIGIN/mcp answered 202 Accepted and nothing more"],
      [
        "204",
        (_, response) => void response.writeHead(204).end(),
        "ORIGIN/mcp answered 204 No Content and nothing more"
      ],
      ["nothing", (_, response) => void response.writeHead(200).end(), "ORIGIN/mcp answered 200 OK and nothing more"],
      [
        "an empty list",
        (_, response) => json(response, []),
        "ORIGIN/mcp answered with something that is not an answer: []"
      ],
      [
        "another id",
        (_, response) => json(response, { jsonrpc: "2.0", id: 424242, result: {} }),
        "ORIGIN/mcp answered another request than ours: 424242"
      ],
      [
        "no JSON",
        (_, response) => void response.writeHead(200, { "content-type": "application/json" }).end("{nope"),
        "ORIGIN/mcp answered with something that is not JSON: {nope"
      ],
      [
        "a page",
        (_, response) => void response.writeHead(200, { "content-type": "text/html" }).end("<h1>Sign in</h1>"),
        "ORIGIN/mcp answered with something that is not JSON: Sign in"
      ],
      [
        "an error with id: null",
        (_, response) => json(response, { jsonrpc: "2.0", id: null, error: full }),
        "MCP error -32603: disk is full"
      ],
      ["an error without an id", (_, response) => json(response, { error: full }), "MCP error -32603: disk is full"],
      [
        "an error with a status of its own",
        ({ id }, response) => void response.writeHead(400).end(JSON.stringify({ jsonrpc: "2.0", id, error: full })),
        "MCP error -32603: disk is full"
      ],
      [
        "a status, and when to come back",
        (_, response) => void response.writeHead(429, { "retry-after": "7" }).end("{\"error\":\"slow down\"}"),
        "ORIGIN/mcp answered 429 Too Many Requests: {\"error\":\"slow down\"}; it asks to wait 7 s"
      ],
      [
        "an error with id: null, in a stream",
        (_, response) => void sse(response, event({ jsonrpc: "2.0", id: null, error: full })),
        "MCP error -32603: disk is full"
      ],
      [
        "an error with a code that is text, in a stream that stays open",
        ({ id }, response) => void sse(response, event({ jsonrpc: "2.0", id, error: { code: "E", message: "full" } })),
        "MCP error E: full"
      ],
      [
        "another id, in a stream",
        (_, response) => void sse(response, event({ jsonrpc: "2.0", id: 9999, result: {} })).end(),
        "ORIGIN/mcp answered another request than ours: 9999"
      ],
      [
        "no JSON, in a stream",
        (_, response) => void sse(response, "data: {oops\n\n").end(),
        "ORIGIN/mcp answered with something that is not JSON: {oops"
      ],
      [
        "a stream that ends",
        (_, response) => void sse(response, ": hi\n\n").end(),
        "ORIGIN ended the connection before it had answered"
      ],
      [
        "a stream that ends and is not taken up again",
        (_, response) => void sse(response, "id: 1\nretry: 10\ndata: \n\n").end(),
        "ORIGIN ended the connection before it had answered, and does not take it up again: it answered 405 to that"
      ]
    ]
    it.live.each(cases)("is told: %s", ([_, answer, text]) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* refusal(answer), text)
      }))

    it.live("is told: a stream that is taken up again, and says nothing new", () =>
      Effect.gen(function*() {
        let resumed = 0
        const text = yield* refusal((_, response) => void sse(response, "id: 1\nretry: 10\ndata: \n\n").end(), {
          GET: (message, response, request) => {
            if (request.headers["last-event-id"] === undefined) {
              return noGet(message, response, request)
            }
            resumed++
            sse(response, "id: 1\ndata: \n\n").end()
          }
        })
        assert.strictEqual(text, "ORIGIN ended the connection before it had answered")
        assert.strictEqual(resumed, 3)
      }))

    it.effect("is told: a stream that is taken up again, and says nothing at all", () =>
      Effect.gen(function*() {
        const isResumed = yield* Deferred.make<void>()
        const call = yield* Effect.forkChild(
          refusal((_, response) => void sse(response, "id: 1\nretry: 10\ndata: \n\n").end(), {
            GET: (message, response, request) =>
              request.headers["last-event-id"] === undefined
                ? noGet(message, response, request)
                : void Deferred.doneUnsafe(isResumed, Effect.void)
          })
        )
        const pass = (duration: Duration.Input) =>
          TestClock.adjust(duration).pipe(Effect.andThen(TestClock.withLive(Effect.sleep("5 millis"))))
        yield* pass("10 millis").pipe(Effect.repeat({ until: () => Deferred.isDoneUnsafe(isResumed) }))
        yield* pass("10 seconds").pipe(Effect.repeat({ until: () => call.pollUnsafe() !== undefined }))
        assert.strictEqual(yield* Fiber.join(call), "nothing was heard from ORIGIN for 1 minute")
      }))

    const endless = (response: ServerResponse, text: string) => {
      const go = () => {
        while (response.write(text)) {
          // Until the reader has enough for now.
        }
      }
      response.on("drain", go)
      go()
    }
    const type = (type: string) => ({ "content-type": type })
    const piece = "x".repeat(65_536)
    const floods: ReadonlyArray<readonly [string, Answer, string | RegExp]> = [
      [
        "a body",
        (_, response) => endless(response.writeHead(200, type("application/json")), " ".repeat(65_536)),
        "its answer is longer than 64 MiB, which is the most that a message may have"
      ],
      [
        "an event",
        (_, response) => endless(response.writeHead(200, type("text/event-stream")), `data: ${piece}\n`),
        "its answer is longer than 64 MiB, which is the most that a message may have"
      ],
      [
        "a line of an event",
        (_, response) => endless(response.writeHead(200, type("text/event-stream")), `data: ${piece}`),
        "its answer is longer than 64 MiB, which is the most that a message may have"
      ],
      [
        "a body that was small before it was unpacked",
        (_, response) =>
          void response.writeHead(200, { ...type("application/json"), "content-encoding": "gzip" })
            .end(gzipSync(Buffer.alloc(100_000_000, 32))),
        "its answer is longer than 64 MiB, which is the most that a message may have"
      ],
      [
        "small values",
        ({ id }, response) =>
          void response.writeHead(200, type("application/json"))
            .end(`{"jsonrpc":"2.0","id":${id},"result":{"a":[${"{},".repeat(10_000_000)}{}]}}`),
        "its answer has so many small values that it would take too much memory"
      ],
      [
        "an error",
        (_, response) => endless(response.writeHead(500), piece),
        /^ORIGIN\/mcp answered 500 Internal Server Error: x{300}…$/
      ]
    ]
    it.live.each(floods)("is told: %s without end", ([_, answer, text]) =>
      Effect.gen(function*() {
        const told = yield* refusal(answer)
        if (typeof text === "string") {
          assert.strictEqual(told, text)
        } else {
          assert.match(told, text)
        }
      }))
  })

  it.live("takes an answer that comes by the other stream", () =>
    Effect.gen(function*() {
      let other: ServerResponse | undefined
      const { url } = yield* server({
        GET: (_, response) => {
          other = sse(response, ": hi\n\n")
        },
        "tools/call": ({ id }, response) => {
          response.writeHead(202).end()
          other!.write(event({ jsonrpc: "2.0", id, result: { content: [] } }))
        }
      })
      const self = yield* Mcp.connect({ url })
      yield* Effect.yieldNow.pipe(Effect.repeat({ until: () => other !== undefined }))
      assert.deepStrictEqual(yield* self.callTool("do", {}), { content: [] })
    }))

  it.live("stops to listen to a server that says too much", () =>
    Effect.gen(function*() {
      let isClosed = false
      const { seen, url } = yield* server({
        GET: (_, response) => {
          sse(response)
          response.on("close", () => {
            isClosed = true
          })
          const go = () => {
            while (response.write("x".repeat(65_536))) {
              // Until the reader has enough for now.
            }
          }
          response.on("drain", go)
          go()
        }
      })
      const self = yield* Mcp.connect({ url })
      yield* Effect.sleep("10 millis").pipe(Effect.repeat({ until: () => isClosed }))
      yield* self.callTool("do", {})
      assert.strictEqual(seen.filter((each) => each.startsWith("GET")).length, 1)
    }))

  it.live("answers the server's own requests", () =>
    Effect.gen(function*() {
      const answered = yield* Deferred.make<any>()
      const answers = new Map<string, () => void>()
      const { url } = yield* server({
        "tools/call": ({ id }, response) => {
          sse(response, event({ jsonrpc: "2.0", id: "s-1", method: "ping" }))
          answers.set("s-1", () => response.end(event({ jsonrpc: "2.0", id, result: { content: [] } })))
        },
        undefined: (message, response) => {
          Deferred.doneUnsafe(answered, Effect.succeed(message))
          response.writeHead(202).end()
          answers.get("s-1")!()
        }
      })
      const self = yield* Mcp.connect({ url })
      assert.deepStrictEqual(yield* self.callTool("do", {}), { content: [] })
      assert.deepStrictEqual(yield* Deferred.await(answered), { jsonrpc: "2.0", id: "s-1", result: {} })
    }))

  describe("a server of the older transport", () => {
    /** It says everything by one stream, and first of all where requests go. */
    const older = (endpoint: string, call: (id: number, stream: ServerResponse) => void) => {
      let stream: ServerResponse
      const say = (message: object) => stream.write(`event: message\n${event({ jsonrpc: "2.0", ...message })}`)
      const accepted = (answer: (message: Message) => void): Answer => (message, response, request) => {
        if (request.url !== "/messages?session=1") {
          return void response.writeHead(404).end()
        }
        response.writeHead(202).end("Accepted")
        answer(message)
      }
      return server({
        GET: (_, response) => {
          stream = sse(response, `event: endpoint\ndata: ${endpoint}\n\n`)
        },
        initialize: accepted(({ id }) =>
          say({ id, result: { protocolVersion: "2024-11-05", capabilities: { tools: {} } } })
        ),
        "tools/list": accepted(({ id }) => say({ id, result: { tools: [{ name: "do" }] } })),
        "tools/call": accepted(({ id }) => call(id!, stream)),
        "notifications/initialized": accepted(() => {})
      })
    }

    it.live("is spoken to as it wants", () =>
      Effect.gen(function*() {
        const { seen, url } = yield* older("/messages?session=1", (id, stream) => {
          stream.write(`event: message\n${event({ jsonrpc: "2.0", id, result: { content: [] } })}`)
        })
        const self = yield* Mcp.connect({ url })
        assert.deepStrictEqual(self.tools.map(({ name }) => name), ["do"])
        assert.deepStrictEqual(yield* self.callTool("do", {}), { content: [] })
        assert.strictEqual(seen.filter((each) => each.startsWith("GET")).length, 1)
      }))

    it.live("has the one call fail whose answer is nested too deeply to be read", () =>
      Effect.gen(function*() {
        const deep = `${"[".repeat(600_000)}${"]".repeat(600_000)}`
        const waiting: Array<number> = []
        const { url } = yield* older("/messages?session=1", (id, stream) => {
          waiting.push(id)
          if (waiting.length === 2) {
            stream.write(`event: message\ndata: {"jsonrpc":"2.0","id":${id},"result":{"a":${deep}}}\n\n`)
            stream.write(`event: message\n${event({ jsonrpc: "2.0", id: waiting[0], result: { content: [] } })}`)
          }
        })
        const self = yield* Mcp.connect({ url })
        const call = Effect.result(self.callTool("do", {}))
        const results = yield* Effect.all([call, call], { concurrency: "unbounded" })
        assert.deepStrictEqual(results.flatMap((result) => result._tag === "Success" ? [result.success] : []), [{
          content: []
        }])
        assert.deepStrictEqual(results.flatMap((result) => result._tag === "Failure" ? [result.failure.text] : []), [
          "its answer is nested more than 127 levels deep, which is the most that a message may be"
        ])
      }))

    it.live("that hangs up fails its calls, and is there again at the next", () =>
      Effect.gen(function*() {
        let calls = 0
        const { url } = yield* older("/messages?session=1", (id, stream) => {
          if (calls++ === 0) {
            stream.destroy()
          } else {
            stream.write(event({ jsonrpc: "2.0", id, result: { content: [] } }))
          }
        })
        const self = yield* Mcp.connect({ url })
        const { text } = yield* Effect.flip(self.callTool("do", {}))
        assert.strictEqual(text, `${new URL(url).origin} ended the connection`)
        assert.deepStrictEqual(yield* self.callTool("do", {}), { content: [] })
      }))

    it.live("does not send us to another one", () =>
      Effect.gen(function*() {
        const other = yield* server()
        const { url } = yield* older(other.url, () => {})
        const { message } = yield* Effect.flip(Mcp.connect({ name: "web", url }))
        assert.strictEqual(
          message,
          `MCP server web cannot be used: ${url} answered 404 Not Found; is this the path of its MCP endpoint?`
        )
        assert.deepStrictEqual(other.seen, [])
      }))
  })

  describe("a session that the server has forgotten", () => {
    const forgetful = (refuse: (response: ServerResponse) => void) =>
      Effect.gen(function*() {
        const sessions = new Set<string>()
        let opened = 0
        let run = 0
        const { seen, url } = yield* server({
          initialize: ({ id }, response) => {
            const session = `session-${++opened}`
            sessions.add(session)
            json(response, { jsonrpc: "2.0", id, result: { capabilities: { tools: {} } } }, {
              "mcp-session-id": session
            })
          },
          "tools/call": ({ id }, response, request) => {
            if (!sessions.has(String(request.headers["mcp-session-id"]))) {
              return refuse(response)
            }
            run++
            json(response, { jsonrpc: "2.0", id, result: { content: [], run } })
          }
        })
        return { forget: () => sessions.clear(), opened: () => opened, seen, url }
      })
    const refusals: ReadonlyArray<readonly [string, (response: ServerResponse) => void]> = [
      ["404", (response) => response.writeHead(404).end()],
      [
        "404 and an error",
        (response) =>
          response.writeHead(404, { "content-type": "application/json" })
            .end(JSON.stringify({ jsonrpc: "2.0", id: null, error: { code: -32001, message: "Session not found" } }))
      ],
      ["400 and says so", (response) => response.writeHead(400).end("Bad Request: no valid session ID provided")]
    ]
    it.live.each(refusals)("is opened anew, and the call repeated: %s", ([_, refuse]) =>
      Effect.gen(function*() {
        const { forget, opened, url } = yield* forgetful(refuse)
        const self = yield* Mcp.connect({ url })
        assert.deepStrictEqual(yield* self.callTool("do", {}), { content: [], run: 1 })
        forget()
        const calls = yield* Effect.all(Array.from({ length: 5 }, () => self.callTool("do", {})), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(calls.map((result) => (result as any).run).sort(), [2, 3, 4, 5, 6])
        assert.strictEqual(opened(), 2)
      }))

    it.live("is not opened again and again", () =>
      Effect.gen(function*() {
        const { opened, url } = yield* server({
          "tools/call": (_, response) => void response.writeHead(404).end("gone")
        }).pipe(Effect.map(({ seen, url }) => ({
          url,
          opened: () => seen.filter((each) => each.startsWith("initialize")).length
        })))
        const self = yield* Mcp.connect({ url })
        const { text } = yield* Effect.flip(self.callTool("do", {}))
        assert.strictEqual(text, `its session has expired: ${url} answered 404 Not Found: gone`)
        assert.strictEqual(opened(), 2)
      }))
  })

  describe("a redirect", () => {
    const redirect = (status: number, location: (url: string) => string): Answer => (_, response, request) =>
      void response.writeHead(status, { location: location(`http://${request.headers.host}`) }).end()

    it.live.each([301, 302, 307, 308])("of %d is followed within the server", (status) =>
      Effect.gen(function*() {
        const { url } = yield* server({
          "tools/call": ({ id }, response, request) =>
            request.url === "/mcp"
              ? void response.writeHead(status, { location: "/mcp/" }).end()
              : json(response, { jsonrpc: "2.0", id, result: { content: [], at: request.url } })
        })
        const self = yield* Mcp.connect({ url })
        assert.deepStrictEqual(yield* self.callTool("do", {}), { content: [], at: "/mcp/" })
        assert.deepStrictEqual(yield* self.callTool("do", {}), { content: [], at: "/mcp/" })
      }))

    it.live("to another server is not followed: it would see what is meant for this one", () =>
      Effect.gen(function*() {
        const other = yield* server()
        const elsewhere = other.url.replace("127.0.0.1", "localhost")
        for (const status of [301, 302, 307, 308]) {
          assert.strictEqual(
            yield* refusal(redirect(status, () => `${elsewhere}?key=1`)),
            `ORIGIN/mcp sends us on to ${elsewhere}: if that is right, use that address`
          )
        }
        assert.deepStrictEqual(other.seen, [])
      }))

    it.live.each(["file:///etc/passwd", "http://", "javascript:1"])(
      "to %s is not followed",
      (location) =>
        Effect.gen(function*() {
          assert.strictEqual(
            yield* refusal(redirect(307, () => location)),
            "ORIGIN/mcp sends us on to what is no address: if that is right, use that address"
          )
        })
    )

    it.live("in a circle ends", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* refusal(redirect(307, (origin) => `${origin}/mcp`)), "ORIGIN/mcp sends us on and on")
      }))
  })

  describe("what was given in confidence", () => {
    it.live("is not echoed where it cannot be sent", () =>
      Effect.gen(function*() {
        const { url } = yield* server()
        const failure = (headers: Record<string, string>) =>
          Effect.flip(Mcp.connect({ name: "web", url, headers })).pipe(Effect.map(({ message }) => message))
        for (const value of ["Bearer s3cret\nX: 1", "s3cret\0", "s3cret\u20ac"]) {
          assert.strictEqual(
            yield* failure({ Authorization: value }),
            "MCP server web cannot be used: the value of the header Authorization has characters that no header can have, " +
              "such as a line break"
          )
        }
        assert.strictEqual(
          yield* failure({ "X Token": "s3cret" }),
          "MCP server web cannot be used: \"X Token\" is not the name of a header"
        )
      }))

    it.live("is not in what the server says of it", () =>
      Effect.gen(function*() {
        const { url } = yield* server({
          initialize: (_, response, request) =>
            void response.writeHead(401).end(`bad token ${request.headers.authorization} at ${request.url}`)
        })
        const error = yield* Effect.flip(
          Mcp.connect({ url: `${url}?key=abcdef`, headers: { Authorization: "Bearer s3cret-t0ken" } })
        )
        assert.strictEqual(
          error.message,
          `MCP server ${url} cannot be used: ${url} answered 401 Unauthorized: bad token [redacted] at /mcp?[redacted]; ` +
            "it may want an Authorization header, which a config file can give under \"headers\""
        )
      }))
  })

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
        assert.strictEqual(yield* failure("not a url"), "MCP server web cannot be used: not a url is not a URL")
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
