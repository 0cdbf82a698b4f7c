/**
 * Servers as they are: what they write that no specification knows.
 */
import { assert, describe, it } from "@effect/vitest"
import * as TypeScript from "effect-code-mode/declarations/TypeScript"
import type { Delegate } from "effect-code-mode/Delegate"
import * as Mcp from "effect-code-mode/Mcp"
import * as Limits from "effect-code-mode/mcp/Limits"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { copyFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { isRunning } from "../cli/Process.ts"
import { toolCall } from "../toolCall.ts"

const scripted = fileURLToPath(new URL("fixtures/scripted.js", import.meta.url))

type Step = string | Readonly<Record<string, unknown>>

type Script = Readonly<Record<string, ReadonlyArray<Step | ReadonlyArray<Step>>>>

const config = (script: Script) => ({
  name: "odd",
  command: process.execPath,
  args: [scripted, JSON.stringify(script)]
})

const connect = (script: Script, more: object = {}) => Mcp.connect({ ...config(script), ...more })

const logged = <A, E, R>(self: Effect.Effect<A, E, R>) => {
  const messages: Array<string> = []
  return self.pipe(
    Effect.provide(Logger.layer([Logger.make(({ message }) => messages.push(String(message)))])),
    Effect.map((value) => [value, messages] as const)
  )
}

const call = (script: Script) => Effect.flatMap(connect(script), (self) => self.callTool("do", {}))

const refusal = (script: Script) => call(script).pipe(Effect.flip, Effect.map(({ text }) => text))

const unusable = (script: Script) => Effect.map(Effect.flip(connect(script)), ({ message }) => message)

const ok = { content: [{ type: "text", text: "ok" }] }
const answer = `{"jsonrpc":"2.0","id":$id,"result":${JSON.stringify(ok)}}`

describe("an answer", () => {
  const answers: ReadonlyArray<readonly [string, ReadonlyArray<Step>]> = [
    ["with its id as a string", [`{"jsonrpc":"2.0","id":"$id","result":${JSON.stringify(ok)}}`]],
    ["without a version", [`{"id":$id,"result":${JSON.stringify(ok)}}`]],
    ["beside error: null", [`{"jsonrpc":"2.0","id":$id,"result":${JSON.stringify(ok)},"error":null}`]],
    ["in a batch", [`[{"level":"info"},${answer}]`]],
    ["over several lines", [`{\n "jsonrpc": "2.0",\n "id": $id,\n "result": ${JSON.stringify(ok)}\n}`]],
    ["with a carriage return", [`${answer}\r`]],
    ["after a log line with its id", [`{"level":"info","msg":"handling","id":$id}`, answer]],
    ["after a log line with its id and an error", [`{"level":"warn","id":$id,"error":"slow disk"}`, answer]],
    ["after a line that has it as a text", [`DEBUG answering ${answer}`, answer]],
    ["after a brace that nobody closes", ["{", "  level: 'info'", answer]],
    ["after a list", ["[\"log\"]", answer]],
    ["after that of another request", [`{"jsonrpc":"2.0","id":999,"result":{}}`, answer]],
    ["after an error that names no request", [
      `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}`,
      answer
    ]],
    ["twice", [answer, answer]],
    ["after a request with the same id", [`{"jsonrpc":"2.0","id":$id,"method":"roots/list"}`, answer]]
  ]
  it.live.each(answers)("%s", ([_, steps]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* call({ "tools/call": steps }), ok)
    }))

  it.live("is kept whole, with members that other objects inherit", () =>
    Effect.gen(function*() {
      const json = `{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}},"content":[]}`
      const result = yield* call({ "tools/call": [`{"jsonrpc":"2.0","id":$id,"result":${json}}`] })
      assert.strictEqual(JSON.stringify(result), json)
      assert.isUndefined(({} as any).polluted)
    }))

  it.live("may be of another shape than a result should have", () =>
    Effect.gen(function*() {
      for (
        const result of [{}, { structuredContent: { a: 1 } }, { toolResult: 1 }, { content: "x", isError: "true" }]
      ) {
        assert.deepStrictEqual(yield* call({ "tools/call": [{ result }] }), result)
      }
    }))
})

describe.concurrent("a call fails with the server's word", () => {
  const error = (error: unknown) => JSON.stringify({ jsonrpc: "2.0", id: "ID", error }).replace("\"ID\"", "$id")
  const errors: ReadonlyArray<readonly [string, ReadonlyArray<Step>, string]> = [
    ["a code that is text", [error({ code: "E_FULL", message: "disk is full" })], "MCP error E_FULL: disk is full"],
    ["a text that has it all", [error({ code: 7, message: "MCP error 7: no" })], "MCP error 7: no"],
    ["no code", [error({ message: "disk is full" })], "MCP error: disk is full"],
    ["an error that is text", [error("disk is full")], "MCP error: disk is full"],
    ["no message", [error({ code: -32000 })], "MCP error -32000: the server gave no reason"],
    ["an empty message", [error({ code: -32000, message: "" })], "MCP error -32000: the server gave no reason"],
    ["a message that is no text", [error({ code: 1, message: { why: "x" } })], "MCP error 1: {\"why\":\"x\"}"],
    ["data", [error({ code: 1, message: "no", data: { why: "x" } })], "MCP error 1: no\n{\"why\":\"x\"}"],
    [
      "result: null beside it",
      [`{"jsonrpc":"2.0","id":$id,"result":null,"error":{"code":-1,"message":"disk is full"}}`],
      "MCP error -1: disk is full"
    ],
    [
      "an id that is null",
      [`{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"disk is full"}}`],
      "MCP error -32603: disk is full"
    ],
    ["no id", [`{"jsonrpc":"2.0","error":{"code":-32603,"message":"disk is full"}}`], "MCP error -32603: disk is full"],
    ["a result that is null", [{ result: null }], "its answer is not a result: null"],
    ["a result that is text", [{ result: "done" }], "its answer is not a result: done"],
    ["a result that is a list", [{ result: [1] }], "its answer is not a result: [1]"],
    [
      "an answer within a log line alone",
      [`DEBUG answering ${answer}`],
      `it answered with something that is not a message: DEBUG answering {"jsonrpc":"2.0","id":3,"result":${
        JSON.stringify(ok)
      }}`
    ],
    [
      "half an answer",
      [`{"jsonrpc":"2.0","id":$id,"result":{"content":[`],
      "it answered with something that is not a message: {\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"content\":["
    ],
    [
      "an answer with neither",
      [`{"jsonrpc":"2.0","id":$id}`],
      "it answered with something that is not a message: {\"jsonrpc\":\"2.0\",\"id\":3}"
    ]
  ]
  it.live.each(errors)("%s", ([_, steps, text]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* refusal({ "tools/call": steps }), text)
    }))

  it.live("of which not all is kept", () =>
    Effect.gen(function*() {
      const text = yield* refusal({
        "tools/call": [
          { raw: "{\"jsonrpc\":\"2.0\",\"id\":$id,\"error\":{\"code\":1,\"message\":\"" },
          { fill: 1_000_000 },
          "\"}}"
        ]
      })
      assert.strictEqual(text, `MCP error 1: ${"x".repeat(Limits.maxErrorText)}…`)
    }))
})

it.live("what is sent is one line for every reader", () =>
  Effect.gen(function*() {
    // The server reads lines as node's readline has them, and would fail on half a message.
    const self = yield* connect({})
    assert.deepStrictEqual(yield* self.callTool("do", { "a\u2028": "b\u2029c" }), { content: [] })
  }))

describe("a server that goes on", () => {
  it.live("has its call fail that is too long, and answers the next", () =>
    Effect.gen(function*() {
      const text = "its answer is longer than 64 MiB, which is the most that a message may have"
      const long = { fill: Limits.maxMessageBytes }
      const heads = ["{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"text\":\"", "{\"result\":{\"text\":\""]
      yield* Effect.forEach(
        heads,
        Effect.fnUntraced(function*(head) {
          const self = yield* connect({ "tools/call": [{ raw: head }, long, "\"},\"id\":$id}"], "prompts/list": [] })
          assert.strictEqual((yield* Effect.flip(self.callTool("do", {}))).text, text)
          assert.strictEqual((yield* Effect.flip(self.callTool("do", {}))).text, text)
        })
      )
    }))

  it.live("has its call fail that is nested too deeply", () =>
    Effect.gen(function*() {
      for (const depth of [127, 200_000]) {
        assert.strictEqual(
          yield* refusal({
            "tools/call": [{ result: { a: `$nested ${depth}` } }]
          }),
          "its result is nested more than 127 levels deep, which is the most that a value may be"
        )
      }
    }))

  it.live("has its call fail whose values would take more memory than there is for them", () =>
    Effect.gen(function*() {
      const texts = {
        zeros: "its answer has so many small values that it would take too much memory",
        nested: "its answer is nested more than 127 levels deep"
      }
      for (const [kind, text] of Object.entries(texts)) {
        const self = yield* connect({ "tools/call": [{ result: { a: `$${kind} 20000000` } }] })
        const before = process.memoryUsage.rss()
        assert.include((yield* Effect.flip(self.callTool("do", {}))).text, text)
        assert.isBelow(process.memoryUsage.rss() - before, 400 * 1024 * 1024)
      }
    }))

  it.live("has the one call fail that is nested too deeply to be read, and answers the next", () =>
    Effect.gen(function*() {
      const deep = { result: { a: "$nested 1000000" } }
      const self = yield* connect({ "tools/call": [[deep], [{ result: ok }]] })
      const text = "its answer is nested more than 127 levels deep, which is the most that a message may be"
      assert.strictEqual((yield* Effect.flip(self.callTool("do", {}))).text, text)
      assert.deepStrictEqual(yield* self.callTool("do", {}), ok)
      assert.include(
        yield* unusable({
          "tools/list": [{ result: { tools: [{ name: "do", inputSchema: { a: "$nested 1000000" } }] } }]
        }),
        `MCP server odd cannot be used: it did not list its tools: ${text}`
      )
    }))

  it.live("is not waited for when it does not read", () =>
    Effect.gen(function*() {
      const self = yield* connect({ "tools/call": [{ deaf: true }] })
      const text = "x".repeat(Limits.maxQueuedBytes / 4)
      // None of them is answered, and one of them hears why.
      const failure = yield* Effect.raceAllFirst(
        Array.from({ length: 7 }, () => Effect.flip(self.callTool("do", { text })))
      )
      assert.include(failure.text, "it does not read what it is sent: 64 MiB wait for it already")
    }))

  it.live("gets no answers to its own requests that it does not read", () =>
    Effect.gen(function*() {
      const ping = "{\"jsonrpc\":\"2.0\",\"id\":\"s\",\"method\":\"ping\",\"params\":{}}"
      const before = process.memoryUsage().rss
      const warned = yield* Deferred.make<unknown>()
      yield* Effect.gen(function*() {
        const self = yield* connect({ "tools/call": [{ deaf: true }, { forever: ping }] })
        yield* Effect.raceFirst(self.callTool("do", {}), Deferred.await(warned))
      }).pipe(
        Effect.provide(
          Logger.layer([Logger.make(({ message }) => Deferred.doneUnsafe(warned, Effect.succeed(message)))])
        )
      )
      assert.match(String(yield* Deferred.await(warned)), /not all that it asks is answered: it does not read/)
      assert.isBelow(process.memoryUsage().rss - before, 200 * 1024 * 1024)
    }))
})

describe("a server that asks much", () => {
  const request = (id: number | string, method: string) => JSON.stringify({ jsonrpc: "2.0", id, method, params: {} })
  const result = { answer: true }
  const last = "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"content\":[],\"answer\":$answer}}"

  it.live("is refused what is too much at a time", () =>
    Effect.gen(function*() {
      const asked = Array.from({ length: Limits.maxServerRequests + 1 }, (_, n) =>
        request(`s-${n}`, "elicitation/create"))
      const self = yield* Mcp.connect(config({ "tools/call": [...asked, result, last] }), {
        elicit: () =>
          Effect.never
      })
      const { answer } = (yield* self.callTool("do", {})) as any
      assert.deepStrictEqual(answer, {
        jsonrpc: "2.0",
        id: `s-${Limits.maxServerRequests}`,
        error: {
          code: -32_000,
          message: `it asked more at a time than the ${Limits.maxServerRequests} requests that are answered`
        }
      })
    }))

  it.live("and does not read the answers is warned of once", () =>
    Effect.gen(function*() {
      const long = { ...config({}), roots: [{ uri: `file:///${"x".repeat(300_000)}` }] }
      const asked = Array.from({ length: 20 }, (_, n) => request(n, "roots/list"))
      const [, messages] = yield* logged(Effect.gen(function*() {
        const self = yield* Mcp.connect(config({ "tools/call": [{ deaf: true }, ...asked, { result: ok }] }), long)
        yield* self.callTool("do", {})
      }))
      assert.deepStrictEqual(messages, [
        "MCP server odd: not all that it asks is answered: it does not read the answers to its own requests: 1 MiB wait for it already"
      ])
    }))

  it.live("may cancel what it has asked", () =>
    Effect.gen(function*() {
      const cancelled = yield* Deferred.make<void>()
      const cancel = JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: "s" } })
      const self = yield* Mcp.connect(
        config({ "tools/call": [request("s", "elicitation/create"), cancel, request("t", "ping"), result, last] }),
        { elicit: () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(cancelled, undefined)) }
      )
      const { answer } = (yield* self.callTool("do", {})) as any
      yield* Deferred.await(cancelled)
      assert.deepStrictEqual(answer, { jsonrpc: "2.0", id: "t", result: {} })
    }))

  it.live("is asked no longer for what it asked once the calls that were under way are over", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const takenBack = yield* Deferred.make<void>()
      const self = yield* Mcp.connect(config({ "tools/call": [[], [request("s", "elicitation/create")]] }), {
        elicit: () =>
          Effect.andThen(Deferred.succeed(asked, undefined), Effect.never).pipe(
            Effect.onInterrupt(() => Deferred.succeed(takenBack, undefined))
          )
      })
      const first = yield* Effect.forkChild(self.callTool("do", {}), { startImmediately: true })
      const second = yield* Effect.forkChild(self.callTool("do", {}), { startImmediately: true })
      yield* Deferred.await(asked)
      // It may be about either of them.
      yield* Fiber.interrupt(second)
      assert.isFalse(yield* Deferred.isDone(takenBack))
      yield* Fiber.interrupt(first)
      yield* Deferred.await(takenBack)
    }))
})

describe("a listing", () => {
  const page = (names: ReadonlyArray<string>, nextCursor: unknown) => ({
    result: { tools: names.map((name) => ({ name })), nextCursor }
  })

  it.live.each(["again", ""])("that comes back to the cursor %j ends there", (cursor) =>
    Effect.gen(function*() {
      const [{ tools }, warnings] = yield* logged(connect({ "tools/list": [page(["a", "b"], cursor)] }))
      assert.deepStrictEqual(tools.map(({ name }) => name), ["a", "b"])
      assert.deepStrictEqual(warnings, [
        "MCP server odd: its listing is taken to be complete, although there may be more: it comes back to the same page"
      ])
    }))

  it.live("that never ends is cut", () =>
    Effect.gen(function*() {
      const line = `{"jsonrpc":"2.0","id":$id,"result":{"tools":[{"name":"t$n"}],"nextCursor":"$n"}}`
      const [{ tools }, warnings] = yield* logged(connect({ "tools/list": [line] }))
      assert.strictEqual(tools.length, Limits.maxPages)
      assert.include(warnings.join(), `it has more than ${Limits.maxPages} pages`)
    }))

  it.live("of which a later page fails is that of the earlier ones", () =>
    Effect.gen(function*() {
      const [{ tools }, warnings] = yield* logged(connect({
        "tools/list": [
          [page(["a"], "1")],
          [`{"jsonrpc":"2.0","id":$id,"error":{"code":-1,"message":"no more"}}`]
        ]
      }))
      assert.deepStrictEqual(tools.map(({ name }) => name), ["a"])
      assert.include(warnings.join(), "there may be more: MCP error -1: no more")
    }))

  it.live("of as many tools as there may be is used, and of one more refused", () =>
    Effect.gen(function*() {
      const { tools } = yield* connect({ "tools/list": [{ tools: Limits.maxTools }] })
      assert.strictEqual(tools.length, Limits.maxTools)
      assert.strictEqual(
        yield* unusable({ "tools/list": [{ tools: Limits.maxTools + 1 }] }),
        "MCP server odd cannot be used: it did not list its tools: " +
          "it has more than 10,000 tools, which is the most that a server may have"
      )
    }))

  it.live.each(
    [
      ["null", "{\"tools\":null}"],
      ["no list", "[]"],
      ["text", "soon"]
    ] as const
  )("that is %s is refused", ([_, said]) =>
    Effect.gen(function*() {
      const result = said === "soon" ? said : JSON.parse(said)
      assert.strictEqual(
        yield* unusable({ "tools/list": [{ result }] }),
        `MCP server odd cannot be used: it did not list its tools: no list of tools came, but ${said}`
      )
    }))

  const nested = (depth: number) => {
    let schema: object = { type: "string" }
    for (let i = 0; i < depth; i++) {
      schema = { items: schema }
    }
    return schema
  }
  const definitions: ReadonlyArray<readonly [string, unknown, RegExp | undefined]> = [
    ["null", null, /a tool is left out: one without a name/],
    ["text", "do", /a tool is left out: one without a name/],
    ["without a name", { description: "x" }, /a tool is left out: one without a name/],
    ["with a name that is a number", { name: 1 }, /a tool is left out: one without a name/],
    ["with a very long name", { name: "x".repeat(513) }, /a tool is left out: one with a name of more than 512 char/],
    [
      "that runs as a task only",
      { name: "t", execution: { taskSupport: "required" } },
      /"t", which runs as a task only/
    ],
    ["that is there already", { name: "good", description: "another" }, /already is one with the name "good"/],
    ["that is there already, the same", { name: "good" }, undefined]
  ]
  it.live.each(definitions)(
    "leaves out a tool %s, and has the others",
    ([_, definition, warning]) =>
      Effect.gen(function*() {
        const [{ tools }, warnings] = yield* logged(
          connect({ "tools/list": [{ result: { tools: [{ name: "good" }, definition, { name: "other" }] } }] })
        )
        assert.deepStrictEqual(tools.map(({ name }) => name), ["good", "other"])
        if (warning === undefined) {
          assert.deepStrictEqual(warnings, [])
        } else {
          assert.match(warnings.join(), warning)
        }
      })
  )

  it.live("has the rest of a definition of which a part is nonsense", () =>
    Effect.gen(function*() {
      const [{ tools }, warnings] = yield* logged(connect({
        "tools/list": [{
          result: {
            tools: [
              {
                name: "a",
                title: 5,
                description: null,
                inputSchema: "any",
                outputSchema: [],
                annotations: 1,
                icons: 5
              },
              { name: "b", inputSchema: nested(98), outputSchema: true, annotations: { readOnlyHint: "yes" } },
              { name: "c", inputSchema: nested(99), outputSchema: { items: "$nested 3000" } },
              { name: "d", inputSchema: { enum: `$zeros ${Limits.maxSchemaNodes}` } }
            ]
          }
        }]
      }))
      assert.deepStrictEqual(tools, [
        { name: "a" },
        { name: "b", inputSchema: nested(98) as any, outputSchema: true, annotations: { readOnlyHint: "yes" } },
        { name: "c", inputSchema: nested(99) as any },
        { name: "d" }
      ])
      assert.deepStrictEqual(
        warnings,
        [["outputSchema", "c"], ["inputSchema", "d"]].map(([key, name]) =>
          `MCP server odd: the ${key} of its tool "${name}" is left out: it is too large, or nested too deeply`
        )
      )
    }))
})

describe("a long call", () => {
  const progress = (params: string) =>
    `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":$token,${params}}}`
  const script: Script = {
    "tools/call": [
      progress(`"progress":1,"total":2,"message":"half\\nway"`),
      progress(`"progress":2`),
      progress(`"progress":"much"`),
      `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"another","progress":3}}`,
      `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"warning","data":{"disk":"slow"}}}`,
      `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"plain"}}`,
      `{"jsonrpc":"2.0","id":$id,"result":{"content":[],"token":$token}}`
    ]
  }

  it.live("tells how far it has come, and the server what it does", () =>
    Effect.gen(function*() {
      const heard: Array<unknown> = []
      const observer: Mcp.Observer = {
        onProgress: ({ toolName }, progress) => Effect.sync(() => heard.push([toolName.name, progress])),
        onLog: (...said) => Effect.sync(() => heard.push(said))
      }
      const self = yield* Mcp.connect(config(script), { observer })
      const delegate = yield* Mcp.make([self], { observer })
      const result: any = yield* delegate.invokeTool(toolCall({ name: "do", namespace: "mcp__odd__" }))
      assert.isNumber(result.token)
      assert.deepStrictEqual(heard, [
        ["do", { progress: 1, total: 2, message: "half way" }],
        ["do", { progress: 2 }],
        ["odd", "warning", "{\"disk\":\"slow\"}"],
        ["odd", "info", "plain"]
      ])
    }))

  it.live("is not asked to tell where nobody hears it", () =>
    Effect.gen(function*() {
      const self = yield* connect(script)
      assert.deepStrictEqual(yield* self.callTool("do", {}), { content: [], token: null })
    }))
})

describe("what a server asks of us", () => {
  const asking = (method: string, params: string): Script => ({
    "tools/call": [
      `{"jsonrpc":"2.0","id":"s-1","method":"${method}","params":${params}}`,
      { answer: true },
      `{"jsonrpc":"2.0","id":$id,"result":{"content":[],"answer":$answer}}`
    ]
  })
  const answer = (script: Script, options: Mcp.Options = {}) =>
    Effect.gen(function*() {
      const self = yield* Mcp.connect(config(script), options)
      const { answer: { jsonrpc: _, ...answer } } = (yield* self.callTool("do", {})) as any
      return answer
    })
  const sure = asking("elicitation/create", `{"message":"sure?","requestedSchema":{"type":"object"}}`)

  it.live("of the person who uses it is asked, or declined", () =>
    Effect.gen(function*() {
      const asked: Array<Mcp.Elicitation> = []
      const elicit = (request: Mcp.Elicitation) =>
        Effect.sync((): Mcp.ElicitationAnswer => {
          asked.push(request)
          return { action: "accept", content: { yes: true } }
        })
      assert.deepStrictEqual(yield* answer(sure, { elicit }), {
        id: "s-1",
        result: { action: "accept", content: { yes: true } }
      })
      assert.deepStrictEqual(asked, [{ server: "odd", message: "sure?", schema: { type: "object" } }])
      assert.deepStrictEqual(yield* answer(sure), { id: "s-1", result: { action: "decline" } })
      assert.deepStrictEqual(yield* answer(asking("elicitation/create", "{}"), { elicit }), {
        id: "s-1",
        result: { action: "accept", content: { yes: true } }
      })
      assert.deepStrictEqual(asked[1], { server: "odd", message: "", schema: {} })
    }))

  it.live("of its roots is told, where there are some", () =>
    Effect.gen(function*() {
      const script = asking("roots/list", "{}")
      assert.deepStrictEqual(
        yield* answer(script, { roots: [{ uri: "file:///a" }, { uri: "file:///b", name: "b" }] }),
        {
          id: "s-1",
          result: { roots: [{ uri: "file:///a" }, { uri: "file:///b", name: "b" }] }
        }
      )
      assert.deepStrictEqual(yield* answer(script), {
        id: "s-1",
        error: { code: -32601, message: "Method not found: roots/list" }
      })
    }))

  it.live("that nobody does is refused", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* answer(asking("sampling/createMessage", "{}")), {
        id: "s-1",
        error: { code: -32601, message: "Method not found: sampling/createMessage" }
      })
    }))

  it.live("is offered in the handshake, and nothing else", () =>
    Effect.gen(function*() {
      const offered = Effect.fnUntraced(function*(options: Mcp.Options) {
        const self = yield* Mcp.connect(config({ initialize: [{ stderr: "$params" }, { exit: 1 }] }), options).pipe(
          Effect.flip
        )
        return JSON.parse(self.lastWords).capabilities
      })
      assert.deepStrictEqual(yield* offered({}), {})
      assert.deepStrictEqual(
        yield* offered({ roots: [], elicit: () => Effect.succeed({ action: "cancel" }) }),
        { elicitation: {}, roots: {} }
      )
    }))
})

describe("resources", () => {
  const initialize = [{ result: { capabilities: { tools: {}, resources: {} } } }]
  const call = (self: Delegate["Service"], name: string, input?: Schema.Json) =>
    self.invokeTool(toolCall({ name, namespace: "mcp__odd__", input }))

  it.live("are listed and read by tools", () =>
    Effect.gen(function*() {
      const self = yield* Mcp.make([
        yield* connect({
          initialize,
          "resources/list": [
            [{ result: { resources: [{ uri: "a:1", name: "one" }], nextCursor: "2" } }],
            [{ result: { resources: [{ uri: "a:2", name: "two" }] } }]
          ],
          "resources/templates/list": [
            `{"jsonrpc":"2.0","id":$id,"error":{"code":-32601,"message":"Method not found"}}`
          ],
          "resources/read": [{ result: { contents: [{ uri: "a:1", text: "hello" }] } }]
        })
      ])
      assert.deepStrictEqual(self.tools.map(TypeScript.signature).slice(1).map((text) => text.split("(")[0]), [
        "mcp__odd__list_resources",
        "mcp__odd__read_resource"
      ])
      assert.deepStrictEqual(yield* call(self, "list_resources"), {
        resources: [{ uri: "a:1", name: "one" }, { uri: "a:2", name: "two" }],
        resourceTemplates: []
      })
      const contents = { contents: [{ uri: "a:1", text: "hello" }] }
      assert.deepStrictEqual(yield* call(self, "read_resource", "a:1"), contents)
      assert.deepStrictEqual(yield* call(self, "read_resource", { uri: "a:1" }), contents)
      assert.strictEqual(
        (yield* Effect.flip(call(self, "read_resource", { url: "a:1" }))).text,
        "mcp__odd__read_resource takes the URI of a resource"
      )
      assert.strictEqual(
        (yield* Effect.flip(call(self, "do", "a:1"))).text,
        "mcp__odd__do takes an object as its argument"
      )
    }))

  it.live("do not hide a tool of the same name", () =>
    Effect.gen(function*() {
      const self = yield* Mcp.make([
        yield* connect({
          initialize,
          "tools/list": [{ result: { tools: [{ name: "read_resource" }] } }],
          "tools/call": [{ result: { content: [], own: true } }],
          "resources/read": [{ result: { contents: [] } }]
        })
      ])
      assert.deepStrictEqual(self.tools.map(({ name }) => name), [
        "mcp__odd__read_resource",
        "mcp__odd__list_resources",
        "mcp__odd__read_resource_2"
      ])
      assert.deepStrictEqual(yield* call(self, "read_resource", {}), { content: [], own: true })
      assert.deepStrictEqual(yield* call(self, "read_resource_2", "a:1"), { contents: [] })
    }))

  it.live("are not there where the tools that are allowed leave them out", () =>
    Effect.gen(function*() {
      const names = (more: object) =>
        Effect.map(
          Effect.flatMap(connect({ initialize }, more), (server) => Mcp.make([server])),
          ({ tools }) => tools.map(({ toolName }) => toolName.name)
        )
      assert.deepStrictEqual(yield* names({ allowTools: ["d*"] }), ["do"])
      assert.deepStrictEqual(yield* names({ denyTools: ["*resource"] }), ["do"])
      assert.deepStrictEqual(yield* names({ allowTools: ["read_*"] }), ["list_resources", "read_resource"])
    }))

  it.live("that fail say why", () =>
    Effect.gen(function*() {
      const refused = [`{"jsonrpc":"2.0","id":$id,"error":{"code":-32002,"message":"no such thing"}}`]
      const self = yield* Mcp.make([
        yield* connect({ initialize, "resources/list": refused, "resources/read": refused })
      ])
      const text = "MCP server odd: MCP error -32002: no such thing"
      assert.strictEqual((yield* Effect.flip(call(self, "list_resources"))).text, text)
      assert.strictEqual((yield* Effect.flip(call(self, "read_resource", "a:1"))).text, text)
    }))
})

describe("tools that change", () => {
  const changed = `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`
  const listed = (...names: ReadonlyArray<string>) => ({ result: { tools: names.map((name) => ({ name })) } })

  it.live("are listed anew, for later cells", () =>
    Effect.gen(function*() {
      const heard = yield* Deferred.make<string>()
      const onToolsChanged = (server: string, tools: ReadonlyArray<Mcp.ServerTool>) =>
        Effect.asVoid(Deferred.succeed(heard, `${server}: ${tools.map(({ name }) => name).join()}`))
      const self = yield* Mcp.connect(
        config({
          "tools/list": [[listed("do")], [listed("do", "more")]],
          "tools/call": [changed, { result: { content: [] } }]
        }),
        { observer: { onToolsChanged } }
      )
      const delegate = yield* Mcp.make([self])
      const names = () => delegate.tools.map(({ name }) => name)
      assert.deepStrictEqual(names(), ["mcp__odd__do"])
      assert.strictEqual(delegate.tools, delegate.tools)
      yield* self.callTool("do", {})
      assert.strictEqual(yield* Deferred.await(heard), "odd: do,more")
      assert.deepStrictEqual(names(), ["mcp__odd__do", "mcp__odd__more"])
    }))

  it.live("are no news where they are the same, and neither is what is wrong with them", () =>
    Effect.gen(function*() {
      let changes = 0
      const onToolsChanged = () =>
        Effect.sync(() => {
          changes++
        })
      const [, warnings] = yield* logged(Effect.gen(function*() {
        const relisted = yield* Deferred.make<void>()
        const self = yield* Mcp.connect(
          config({
            "tools/list": [
              [{ result: { tools: [{ name: "do" }, {}] } }],
              [{ result: { tools: [{ name: "do" }, {}] } }, changed],
              [listed("do", "more")]
            ],
            "tools/call": [changed, { result: { content: [] } }]
          }),
          {
            observer: { onToolsChanged: () => Effect.andThen(onToolsChanged(), Deferred.succeed(relisted, undefined)) }
          }
        )
        yield* self.callTool("do", {})
        yield* Deferred.await(relisted)
      }))
      assert.strictEqual(changes, 1)
      assert.deepStrictEqual(warnings, ["MCP server odd: a tool is left out: one without a name"])
    }))

  it.live("are what they were where they cannot be listed", () =>
    Effect.gen(function*() {
      const warned = yield* Deferred.make<string>()
      const logger = Logger.make(({ message }) => Deferred.doneUnsafe(warned, Effect.succeed(String(message))))
      yield* Effect.gen(function*() {
        const self = yield* connect({
          "tools/list": [
            [listed("do")],
            [`{"jsonrpc":"2.0","id":$id,"error":{"code":1,"message":"not now"}}`, changed]
          ],
          "tools/call": [changed, { result: { content: [] } }]
        })
        yield* self.callTool("do", {})
        assert.strictEqual(
          yield* Deferred.await(warned),
          "MCP server odd: it said that its tools have changed, and did not list them: MCP error 1: not now"
        )
        assert.deepStrictEqual(self.tools.map(({ name }) => name), ["do"])
      }).pipe(Effect.provide(Logger.layer([logger])))
    }))
})

describe("a handshake", () => {
  const answered = (result: object): Script => ({ initialize: [{ result }] })
  const handshakes: ReadonlyArray<readonly [string, Script]> = [
    ["without anything but the tools", answered({ capabilities: { tools: true } })],
    ["without a version of the server", answered({ serverInfo: { name: "x" }, capabilities: { tools: {} } })],
    [
      "with instructions that are null",
      answered({ instructions: null, serverInfo: null, capabilities: { tools: null } })
    ],
    ["with an old version", answered({ protocolVersion: "2024-11-05", capabilities: { tools: {} } })],
    ["with a version of the future", answered({ protocolVersion: "2031-01-01", capabilities: { tools: {} } })],
    ["after a log line with its id", { start: [`{"level":"info","id":0}`, `{"level":"info","id":1}`] }],
    ["after an error that names no request", {
      start: [`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}`]
    }],
    ["after a banner", { start: ["Server v1.2", ""] }],
    ["that wants another version first", {
      initialize: [
        [`{"jsonrpc":"2.0","id":$id,"error":{"code":-32602,"message":"no","data":{"supported":["2024-11-05"]}}}`],
        [{ result: { protocolVersion: "2024-11-05", capabilities: { tools: {} } } }]
      ]
    }],
    ["during which we are asked whether we live", {
      initialize: [
        `{"jsonrpc":"2.0","id":"s","method":"ping"}`,
        { result: { capabilities: { tools: {} } } }
      ]
    }]
  ]
  it.live.each(handshakes)("%s works", ([_, script]) =>
    Effect.gen(function*() {
      const { tools } = yield* connect(script)
      assert.deepStrictEqual(tools.map(({ name }) => name), ["do"])
    }))

  it.live("that is refused says why", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* unusable({ initialize: [`{"jsonrpc":"2.0","id":$id,"error":{"code":-1,"message":"no licence"}}`] }),
        "MCP server odd cannot be used: MCP error -1: no licence"
      )
      assert.strictEqual(
        yield* unusable({ initialize: [{ result: "hello" }] }),
        "MCP server odd cannot be used: it did not say who it is, but hello"
      )
    }))

  it.live("on a line without end is not waited for", () =>
    Effect.gen(function*() {
      assert.include(yield* unusable({ initialize: [{ fill: Limits.maxMessageBytes + 1 }] }), "longer than 64 MiB")
    }))
})

describe("a server that died", () => {
  it.live("is there again at the next call, with its tools", () =>
    Effect.gen(function*() {
      const self = yield* connect({
        "tools/list": [{ result: { tools: [{ name: "die" }, { name: "do" }] } }],
        "tools/call": [[{ result: { content: [] } }], [{ stderr: "out of luck" }, { exit: 7 }]]
      })
      yield* self.callTool("do", {})
      const deaths = yield* Effect.all([
        Effect.flip(self.callTool("die", {})),
        Effect.flip(self.callTool("die", {}))
      ], { concurrency: "unbounded" })
      for (const { text } of deaths) {
        assert.match(text, /^it exited with status 7; it last wrote:\n(out of luck\n?){1,2}$/)
      }
      assert.deepStrictEqual(self.tools.map(({ name }) => name), ["die", "do"])
      assert.deepStrictEqual(yield* self.callTool("do", {}), { content: [] })
      // The second call of its second life.
      yield* Effect.flip(self.callTool("do", {}))
      assert.deepStrictEqual(yield* self.callTool("do", {}), { content: [] })
    }))

  it.live("says so when it does not come back", () =>
    Effect.gen(function*() {
      const folder = mkdtempSync(join(tmpdir(), "effect-code-mode-"))
      const script = join(folder, "server.js")
      copyFileSync(scripted, script)
      const self = yield* Mcp.connect({
        name: "odd",
        command: process.execPath,
        args: [script, JSON.stringify({ "tools/call": [{ exit: 7 }] })]
      })
      yield* Effect.flip(self.callTool("do", {}))
      rmSync(folder, { recursive: true })
      const { text } = yield* Effect.flip(self.callTool("do", {}))
      assert.match(text, /^it has ended, and cannot be used again: it exited with status 1; it last wrote:\n/)
    }))

  it.live("takes with it what it started in a session of its own", () =>
    Effect.gen(function*() {
      const script: Script = {
        "tools/call": [{ spawn: ["sleep", "1000"] }, { stderr: "bye" }, { exit: 1 }],
        start: [{ spawn: ["sleep", "1000"] }]
      }
      const started = (text: string) => Array.from(text.matchAll(/started (\d+)/g), ([_, pid]) => Number(pid))
      const gone = (pids: ReadonlyArray<number>) =>
        Effect.sync(() => pids.some(isRunning)).pipe(
          Effect.repeat({ until: (running) => !running, schedule: Schedule.spaced("10 millis") }),
          Effect.timeout("50 seconds")
        )
      const scope = yield* Scope.make()
      const self = yield* connect(script).pipe(Scope.provide(scope))
      const pids = started((yield* Effect.flip(self.callTool("do", {}))).text)
      assert.strictEqual(pids.length, 2)
      yield* gone(pids)
      yield* Scope.close(scope, Exit.void)
    }))
})

describe("what was given in confidence", () => {
  it.live("is not in what the system has against it", () =>
    Effect.gen(function*() {
      const failure = (config: object) =>
        Effect.flip(Mcp.connect({ name: "odd", command: "node", ...config })).pipe(Effect.map(({ message }) => message))
      const text =
        "MCP server odd cannot be used: its command, an argument, its folder or its environment has a null character"
      assert.strictEqual(yield* failure({ env: { TOKEN: "secret\0" } }), text)
      assert.strictEqual(yield* failure({ args: ["secret\0"] }), text)
      assert.strictEqual(
        yield* failure({ args: ["x".repeat(10_000_000)] }),
        "MCP server odd cannot be used: its arguments or its environment are too long"
      )
    }))

  it.live("is in no error", () =>
    Effect.gen(function*() {
      const secret = "s3cr3t-t0ken"
      const more = { secrets: [secret] }
      const script: Script = {
        initialize: [{ stderr: `bad token ${secret}` }, { exit: 1 }]
      }
      const error = yield* Effect.flip(connect(script, more))
      assert.strictEqual(
        error.message,
        "MCP server odd cannot be used: it exited with status 1; it last wrote:\nbad token [redacted]"
      )
      const self = yield* connect({
        "tools/call": [`{"jsonrpc":"2.0","id":$id,"error":{"code":1,"message":"no ${secret}","data":"${secret}"}}`]
      }, more)
      assert.strictEqual((yield* Effect.flip(self.callTool("do", {}))).text, "MCP error 1: no [redacted]\n[redacted]")
    }))
})
