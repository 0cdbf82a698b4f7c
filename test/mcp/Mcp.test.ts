import { assert, describe, it } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import * as Mcp from "effect-code-mode/Mcp"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fixture, isRunning } from "../cli/Process.ts"
import { toolCall } from "../toolCall.ts"

const fake = (options: { readonly name?: string; readonly args?: ReadonlyArray<string> } = {}): Mcp.ServerConfig => ({
  ...(options.name === undefined ? {} : { name: options.name }),
  command: process.execPath,
  args: [fixture, ...options.args ?? []]
})

const call = (
  self: Delegate.Delegate["Service"],
  server: string,
  name: string,
  input?: Schema.Json
) => self.invokeTool(toolCall({ name, namespace: `mcp__${server}__`, input }))

const delegate = (...servers: ReadonlyArray<Mcp.ServerConfig>) =>
  Effect.map(Layer.build(Mcp.layer(servers)), Context.get(Delegate.Delegate))

/** A file that a server writes to, and what it wrote. */
const serverLog = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-code-mode-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
).pipe(Effect.map((folder) => {
  const path = join(folder, "log")
  const read = (): Array<any> =>
    existsSync(path) ? readFileSync(path, "utf8").trim().split("\n").map((line) => JSON.parse(line)) : []
  return {
    path,
    read,
    until: (condition: (event: any) => boolean) =>
      Effect.sync(() => read().find(condition)).pipe(
        Effect.repeat({ until: (event) => event !== undefined, schedule: Schedule.spaced("10 millis") }),
        Effect.timeout("50 seconds")
      )
  }
}))

describe("Mcp", () => {
  it.live("lists the tools of all pages, as a cell will see them", () =>
    Effect.gen(function*() {
      const { tools } = yield* delegate(fake({ args: ["--pages", "4"] }))
      assert.deepStrictEqual(
        tools.map(({ name }) => name.replace("mcp__fake_server__", "")),
        ["add", "say-it", "where", "complain", "refuse", "malformed", "wait", "meet", "die", "hang_up", "big"]
      )
      assert.deepStrictEqual(tools[0], {
        name: "mcp__fake_server__add",
        toolName: { name: "add", namespace: "mcp__fake_server__" },
        description: "Adds two numbers",
        kind: "function",
        inputSchema: { type: "object", properties: { a: { type: "number" }, b: { type: "number" } } },
        outputSchema: {
          type: "object",
          properties: {
            content: { type: "array", items: { type: "object" } },
            structuredContent: {
              type: "object",
              properties: { sum: { $ref: "#/properties/structuredContent/$defs/Sum" } },
              $defs: { Sum: { type: "number" } }
            },
            isError: { type: "boolean" },
            _meta: { type: "object" }
          },
          required: ["content"]
        }
      })
      assert.strictEqual(tools[1]?.description, "Says it")
    }))

  it.live("tells tools apart whose names come out alike; an exact name stays", () =>
    Effect.gen(function*() {
      const self = yield* delegate(fake({ args: ["--twins"] }))
      const twins = self.tools.filter(({ name }) => /say[-_]it/.test(name))
      assert.deepStrictEqual(twins.map(({ description, name, toolName }) => [name, toolName.name, description]), [
        [
          "mcp__fake_server__say_it_2",
          "say-it",
          "Says it\n(This is the server's tool \"say-it\", called mcp__fake_server__say_it_2 as there is another " +
          "mcp__fake_server__say_it.)"
        ],
        ["mcp__fake_server__say_it", "say_it", ""]
      ])
      const said = yield* call(self, "fake_server", "say-it", { it: "hello" })
      assert.deepStrictEqual(said, { content: [{ type: "text", text: "hello" }] })
    }))

  it.effect("says what a server says of the effects of its tools", () =>
    Effect.gen(function*() {
      const tool = (name: string, more: Partial<Mcp.ServerTool>) => ({ name, ...more })
      const self = yield* Mcp.make([{
        name: "s",
        tools: [
          tool("a", { description: "Looks", annotations: { readOnlyHint: true, destructiveHint: true } }),
          tool("b", { title: "Remove", annotations: { readOnlyHint: false, destructiveHint: true } }),
          tool("c", { annotations: { readOnlyHint: "yes" } })
        ],
        callTool: () => Effect.succeed({ content: [] })
      }])
      assert.deepStrictEqual(self.tools.map(({ description }) => description), [
        "Looks\n(read-only)",
        "Remove\n(destructive)",
        ""
      ])
    }))

  it.effect("tells tools of several servers apart whose names come out alike", () =>
    Effect.gen(function*() {
      const server = (name: string, ...tools: ReadonlyArray<string>): Mcp.Server => ({
        name,
        tools: tools.map((name) => ({ name })),
        callTool: (tool) => Effect.succeed({ content: [], from: `${name} ${tool}` })
      })
      const self = yield* Mcp.make([server("a", "b__c", "d"), server("a__b", "c")])
      assert.deepStrictEqual(self.tools.map(({ name }) => name), ["mcp__a__b__c", "mcp__a__d", "mcp__a__b__c_2"])
      assert.deepStrictEqual(yield* call(self, "a__b", "c"), { content: [], from: "a__b c" })
    }))

  it.live("gives the whole result", () =>
    Effect.gen(function*() {
      const self = yield* delegate(fake())
      // As text, because the order of its fields counts too.
      assert.strictEqual(
        JSON.stringify(yield* call(self, "fake_server", "add", { a: 1, b: 2 })),
        JSON.stringify({
          content: [{ type: "text", text: "3", unheardOf: 1 }],
          structuredContent: { sum: 3 },
          _meta: { "io.modelcontextprotocol/related-task": { taskId: "1", unheardOf: 2 } },
          unheardOf: { kept: true }
        })
      )
      assert.deepStrictEqual(yield* call(self, "fake_server", "complain"), {
        content: [{ type: "text", text: "it went wrong" }],
        isError: true
      })
      const text = "x".repeat(20_000_000)
      assert.deepStrictEqual(yield* call(self, "fake_server", "big", { size: text.length }), {
        content: [{ type: "text", text }]
      })
    }))

  it.live("rejects what the server refuses, by name", () =>
    Effect.gen(function*() {
      const self = yield* delegate(fake({ name: "fussy" }))
      const failure = (name: string, input?: Schema.Json) =>
        call(self, "fussy", name, input).pipe(Effect.flip, Effect.map(({ text }) => text))
      assert.strictEqual(yield* failure("refuse"), "MCP server fussy: MCP error -32602: not like this")
      assert.strictEqual(
        yield* failure("malformed"),
        "MCP server fussy: its answer is not a result: not an object"
      )
      assert.strictEqual(yield* failure("add", "1 + 2"), "mcp__fussy__add takes an object as its argument")
      assert.strictEqual(
        yield* call(self, "other", "add").pipe(Effect.flip, Effect.map(({ text }) => text)),
        "unknown tool mcp__other__add"
      )
    }))

  it.live("runs calls in parallel", () =>
    Effect.gen(function*() {
      const self = yield* delegate(fake())
      const results = yield* Effect.all(
        Array.from({ length: 20 }, () => call(self, "fake_server", "meet", { count: 20 })),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(results.length, 20)
    }))

  it.live("keeps servers of one name apart; a given name stays", () =>
    Effect.gen(function*() {
      const self = yield* delegate(
        fake({ args: ["--name", "git"] }),
        fake({ name: "git", args: ["--name", "another"] }),
        fake({ args: ["--name", "git"] })
      )
      const namespaces = new Set(self.tools.map(({ toolName }) => toolName.namespace))
      assert.deepStrictEqual(Array.from(namespaces), ["mcp__git__", "mcp__git_2__", "mcp__git_3__"])
      assert.match(
        yield* call(self, "git_2", "refuse").pipe(Effect.flip, Effect.map(({ text }) => text)),
        /^MCP server git_2: /
      )
    }))

  it.live("gives a server what a program needs of our environment, and all of it where it should", () =>
    Effect.gen(function*() {
      process.env.GREETING = "from outside"
      const greeting = (more: object) =>
        Effect.map(
          Effect.flatMap(delegate({ ...fake(), ...more }), (self) => call(self, "fake_server", "where")),
          (result) => JSON.parse((result as any).content[0].text).greeting
        )
      assert.isUndefined(yield* greeting({}))
      assert.strictEqual(yield* greeting({ inheritEnv: true }), "from outside")
      assert.strictEqual(yield* greeting({ inheritEnv: true, env: { GREETING: "mine" } }), "mine")
    }).pipe(Effect.ensuring(Effect.sync(() => delete process.env.GREETING))))

  it.live("has of a server's tools those that are allowed", () =>
    Effect.gen(function*() {
      const self = yield* delegate({ ...fake({ name: "s" }), allowTools: ["say*", "add", "w*"], denyTools: ["wait"] })
      assert.deepStrictEqual(self.tools.map(({ toolName }) => toolName.name), ["add", "say-it", "where"])
      assert.strictEqual(
        (yield* Effect.flip(call(self, "s", "wait"))).text,
        "MCP server s: its tool wait is not among those that are allowed"
      )
    }))

  it.live("ends a call that takes longer than the server's calls may", () =>
    Effect.gen(function*() {
      const self = yield* delegate({ ...fake({ name: "s" }), timeout: 100 })
      assert.strictEqual(
        (yield* Effect.flip(call(self, "s", "wait"))).text,
        "MCP server s: no answer within 100ms, its timeout"
      )
    }))

  it.live("starts a server in its folder with its environment", () =>
    Effect.gen(function*() {
      const cwd = realpathSync(tmpdir())
      const self = yield* delegate({ ...fake(), cwd, env: { GREETING: "hello" } })
      assert.deepStrictEqual(yield* call(self, "fake_server", "where"), {
        content: [{ type: "text", text: JSON.stringify({ cwd, greeting: "hello" }) }]
      })
    }))

  it.live("ignores what is not a message", () =>
    Effect.gen(function*() {
      const self = yield* delegate(fake({ args: ["--chatty"] }))
      assert.include(JSON.stringify(yield* call(self, "fake_server", "add", { a: 1, b: 2 })), "\"text\":\"3\"")
    }))

  it.live("tells why a server that died does not answer", () =>
    Effect.gen(function*() {
      const self = yield* delegate(fake({ name: "frail" }))
      const [waiting, dying] = yield* Effect.all([
        Effect.flip(call(self, "frail", "wait")),
        Effect.flip(call(self, "frail", "die"))
      ], { concurrency: "unbounded" })
      const text = "MCP server frail: it exited with status 7; it last wrote:\nthe disk is on fire"
      assert.strictEqual(waiting.text, text)
      assert.strictEqual(dying.text, text)
    }))

  it.live("notices a server that hangs up and lives on", () =>
    Effect.gen(function*() {
      const self = yield* delegate(fake({ name: "rude", args: ["--stubborn"] }))
      const { text } = yield* Effect.flip(call(self, "rude", "hang_up"))
      assert.strictEqual(text, "MCP server rude: it closed its output")
    }))

  it.live("cancels an interrupted call on the server", () =>
    Effect.gen(function*() {
      const log = yield* serverLog
      const self = yield* delegate(fake({ args: ["--log", log.path] }))
      const fiber = yield* Effect.forkChild(call(self, "fake_server", "wait"), { startImmediately: true })
      yield* log.until(({ name }) => name === "wait")
      yield* Fiber.interrupt(fiber)
      const { params } = yield* log.until(({ method }) => method === "notifications/cancelled")
      assert.isNumber(params.requestId)
    }))

  describe("a server that cannot be used", () => {
    const failure = (config: Mcp.ServerConfig) => Effect.flip(delegate(config))

    it.live("because there is no such command", () =>
      Effect.gen(function*() {
        const { message } = yield* failure({ name: "ghost", command: "no-such-command-anywhere" })
        assert.strictEqual(
          message,
          "MCP server ghost cannot be used: there is no command no-such-command-anywhere: " +
            "is it installed, and in the PATH?"
        )
      }))

    it.live("because it exits at once", () =>
      Effect.gen(function*() {
        const config = fake({ args: ["--crash"] })
        const { message } = yield* failure(config)
        assert.strictEqual(
          message,
          `MCP server ${process.execPath} ${fixture} --crash cannot be used: ` +
            "it exited with status 3; it last wrote:\nno configuration found"
        )
      }))

    it.live("because it is no MCP server", () =>
      Effect.gen(function*() {
        const { message } = yield* failure({ command: "echo", args: ["hello there"] })
        assert.strictEqual(
          message,
          "MCP server echo hello there cannot be used: it exited with status 0; it last wrote:\nhello there"
        )
      }))

    it.effect("because it never answers", () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(failure(fake({ name: "mute", args: ["--silent"] })))
        yield* TestClock.adjust("1 minute").pipe(
          Effect.andThen(TestClock.withLive(Effect.sleep("10 millis"))),
          Effect.repeat({ until: () => fiber.pollUnsafe() !== undefined })
        )
        assert.strictEqual(
          (yield* Fiber.join(fiber)).message,
          "MCP server mute cannot be used: it was not ready within 1m"
        )
      }))

    it.live("is named with the others that cannot be", () =>
      Effect.gen(function*() {
        const { message } = yield* Effect.flip(delegate(
          fake({ name: "good" }),
          { name: "ghost", command: "no-such-command-anywhere" },
          fake({ name: "mute", args: ["--silent"] }),
          fake({ name: "frail", args: ["--crash"] })
        ))
        assert.deepStrictEqual(message.split("\n").sort(), [
          "MCP server frail cannot be used: it exited with status 3; it last wrote:",
          "MCP server ghost cannot be used: there is no command no-such-command-anywhere: is it installed, and in the PATH?",
          "no configuration found"
        ])
      }))

    it.live("is a warning where it is optional", () =>
      Effect.gen(function*() {
        const warnings: Array<string> = []
        const self = yield* delegate(fake({ name: "good" }), {
          ...fake({ name: "frail", args: ["--crash"] }),
          optional: true
        })
          .pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => warnings.push(String(message)))])))
        assert.isTrue(self.tools.every(({ toolName }) => toolName.namespace === "mcp__good__"))
        assert.deepStrictEqual(warnings, [
          "MCP server frail cannot be used: it exited with status 3; it last wrote:\\u000ano configuration found"
        ])
      }))

    it.effect("because it takes longer than it may", () =>
      Effect.gen(function*() {
        const started: Array<string> = []
        const fiber = yield* Effect.forkChild(Effect.flip(Layer.build(
          Mcp.layer([fake({ name: "mute", args: ["--silent"] })], {
            startTimeout: "2 seconds",
            observer: { onStart: (server, start) => Effect.andThen(Effect.sync(() => started.push(server)), start) }
          })
        )))
        yield* TestClock.adjust("1 second").pipe(
          Effect.andThen(TestClock.withLive(Effect.sleep("10 millis"))),
          Effect.repeat({ until: () => fiber.pollUnsafe() !== undefined })
        )
        assert.strictEqual(
          (yield* Fiber.join(fiber)).message,
          "MCP server mute cannot be used: it was not ready within 2s"
        )
        assert.deepStrictEqual(started, ["mute"])
      }))

    it.live("takes the others with it", () =>
      Effect.gen(function*() {
        const log = yield* serverLog
        const scope = yield* Scope.make()
        yield* Layer.build(Mcp.layer([
          fake({ args: ["--silent", "--log", log.path] }),
          fake({ args: ["--crash"] })
        ])).pipe(Effect.flip, Scope.provide(scope))
        yield* Scope.close(scope, Exit.void)
        // It may have been ended before it wrote its first word.
        assert.deepStrictEqual(log.read().filter(({ started }) => started !== undefined && isRunning(started)), [])
      }))
  })

  it.live("leaves no process behind, however stubborn", () =>
    Effect.gen(function*() {
      const log = yield* serverLog
      const scope = yield* Scope.make()
      yield* delegate(
        fake({ args: ["--log", log.path] }),
        fake({ args: ["--log", log.path, "--stubborn"] }),
        // A server behind a shell, and a sibling that nobody asked for.
        {
          command: "sh",
          args: ["-c", `sleep 1000 & echo '{"started":'$!'}' >> '${log.path}'; exec "$0" "$@"`].concat(
            process.execPath,
            fixture,
            "--log",
            log.path
          )
        }
      ).pipe(Scope.provide(scope))
      const pids = log.read().flatMap(({ started }) => started ?? [])
      assert.strictEqual(pids.length, 4)
      assert.isTrue(pids.every(isRunning))
      yield* Scope.close(scope, Exit.void)
      // A signal takes a moment to end a process that is not our child.
      yield* Effect.sync(() => pids.some(isRunning)).pipe(
        Effect.repeat({ until: (running) => !running, schedule: Schedule.spaced("10 millis") }),
        Effect.timeout("50 seconds")
      )
      assert.isTrue(log.read().some(({ signal }) => signal === "SIGTERM"))
    }))
})
