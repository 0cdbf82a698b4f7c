import { assert, describe, it } from "@effect/vitest"
import * as CodeMode from "effect-code-mode/CodeMode"
import * as Delegate from "effect-code-mode/Delegate"
import { ToolError } from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as V8 from "effect-code-mode/V8"
import * as Chat from "effect/ai/Chat"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const any = Schema.Record(Schema.String, Schema.Json)

const tools = Delegate.layerTools({
  echo: Delegate.tool({
    description: "Gives its argument",
    parameters: any,
    handler: (value) => Effect.succeed(value)
  }),
  fail: Delegate.tool({
    description: "Fails",
    parameters: any,
    handler: () => Effect.fail(new ToolError({ text: "no such file" }))
  }),
  hang: Delegate.tool({ description: "Never answers", parameters: any, handler: () => Effect.never })
})

const layer = (options?: CodeMode.Options) =>
  CodeMode.layer(options).pipe(
    Layer.provideMerge(Runtime.layer()),
    Layer.provide([tools, V8.layer({ warmLanes: 0 })])
  )

const show = ({ items, status }: CodeMode.Output) => [
  status,
  ...items.map((item) => item.type === "input_text" ? item.text.replace(/\d+\.\d seconds/, "N seconds") : item.type)
]

const header = (title: string) => `${title}\nWall time N seconds\nOutput:\n`

const exec = (source: string) =>
  Effect.flatMap(CodeMode.CodeMode, (codeMode) => Effect.map(codeMode.exec({ source }), show))

const completed = (...texts: ReadonlyArray<string>) => ["Completed", header("Script completed"), ...texts]

const nothing = "The cell put out nothing. Call text(value) with what you want to see."

describe("exec", () => {
  it.live("repairs what it can of sources as models write them", () =>
    Effect.gen(function*() {
      for (
        const [source, ...texts] of [
          ["text('as it is')", "as it is"],
          ["```js\ntext(\"hi\")\n```", "hi"],
          ["```typescript\n\ntext(\"hi\")\n```\n", "hi"],
          ["async () => { const r = await tools.echo({ a: 1 }); return r }", "{\"a\":1}"],
          ["// what it does\nasync function main() { return 4 }\n", "4"],
          ["function add(a, b) { return a + b }", nothing],
          ["async () => { text(1) };\n// that is all", "1"],
          ["async (tools) => (await tools.echo({ a: 1 })).a", "1"],
          ["(async () => { text(await tools.echo({})) })().catch(console.error)", "{}"],
          ["async function main() { await tools.echo({}); text('late') }\nmain()\n", "late"],
          [
            "const main = async () => { await tools.echo({}); text('late') }\nvoid main().then(() => text('then'))",
            "late",
            "then"
          ],
          ["async function main() { await tools.echo({}); return 5 }\nmain();", "5"],
          ["await tools.echo({ a: 2 })", "{\"a\":2}"],
          ["const a = 1\na + 1", "2"],
          ["#!/usr/bin/env node\nreturn 6", "6"],
          ["{\"source\": \"text(7)\"}", "7"],
          ["\"const a = 8; text(a)\"", "8"],
          ["Here is the code:\n\n```js\ntext(9)\n```\nIt puts out 9.", "9"],
          ["~~~\ntext(10)~~~", "10"],
          ["```js\n// @exec: {\"max_output_tokens\": 100}\ntext(11)\n```", "11"],
          ["const n: number = 12; text(n)", "12"],
          ["interface A { a: number }\nconst f = (a: A) => a.a\nreturn f({ a: 13 })", "13"],
          ["const text = 14; globalThis.text(text)", "14"],
          ["export const a = 15; text(a)", "15"],
          ["export default function main() { return 16 }", "16"],
          ["export default { a: 17 }", "{\"a\":17}"],
          ["(async function () { return 4 })", "4"],
          ["const r = await tools.echo({ a: 1 }); return r", "{\"a\":1}"],
          ["if (true) { return 1 }\ntext('never')", "1"],
          ["const f = () => { return 1 }; text(f())", "1"],
          ["export default async function () { text(\"called\") }", "called"],
          ["const a = 1\nexport default async () => a", "1"],
          ["console.log(\"a\", { b: 1 }); console.error(2)", "a {\"b\":1}", "2"],
          [
            "const c = {}; c.c = c; console.log(c, undefined, 1n, Symbol('s'))",
            "[object Object] undefined 1 Symbol(s)"
          ],
          ["text(tools.echo({}))", "[a promise: await it before you put it out]"],
          ["text('a', 1, { b: 2 })", "a 1 {\"b\":2}"],
          ["const console = { log: () => text(\"own\") }; console.log(1)", "own"]
        ]
      ) {
        assert.deepStrictEqual(yield* exec(source!), completed(...texts), source)
      }
    }).pipe(Effect.provide(layer())))

  it.live("keeps the lines of a repaired source", () =>
    Effect.gen(function*() {
      const [status, , error] = yield* exec("```js\nconst a = 1\nreturn nothing\n```")
      assert.strictEqual(status, "Failed")
      assert.strictEqual(error, "Script error:\nReferenceError: nothing is not defined\n    at exec_main.mjs:2:1")
      for (
        const [source, place] of [
          ["nothing", "exec_main.mjs:1:1"],
          ["text(1); null.x", "exec_main.mjs:1:15"],
          ["(async () => {\n  null.x\n})()", "exec_main.mjs:2:8\n    at exec_main.mjs:3:3"],
          ["async function f() { null.x }\nf()", "exec_main.mjs:1:27)\n    at exec_main.mjs:2:1"],
          ["const a = 1\n  await tools.fail({})", "exec_main.mjs:2:3"],
          ["const a: number = 1\nnull.x", "exec_main.mjs:2:6"]
        ] as const
      ) {
        const said = (yield* exec(source)).join("\n")
        assert.include(said, place, source)
        assert.notInclude(said.replace(place, ""), ".mjs:", source)
      }
      const { error: typo } = yield* (yield* CodeMode.CodeMode).exec({ source: "const a = 1\nconst b = (\n" })
      assert.deepStrictEqual(typo?.location, { line: 3, column: 1 })
    }).pipe(Effect.provide(layer())))

  it.live("says in a line what to do about mistakes", () =>
    Effect.gen(function*() {
      for (
        const [source, expected] of [
          ["await tools.ecko({})", /^There is no tool ecko: did you mean tools\.echo\?$/],
          ["await tools.somethingElse({})", /^There is no tool somethingElse: ALL_TOOLS is the list of them\.$/],
          ["await tools.s.echo({})", /^There is no tools\.s\.echo: did you mean tools\.echo\?$/],
          ["await echo({})", /^Tools are members of `tools`: call tools\.echo\.$/],
          ["const fs = require('fs')", /^There are no modules, no files and no network in a cell/],
          ["const r = await fetch('http://a')", /^There are no modules, no files and no network in a cell/],
          ["import fs from 'node:fs'\ntext(typeof fs)", /^There are no modules, no files and no network in a cell/],
          ["await import('fs')", /^There are no modules, no files and no network in a cell/],
          ["setInterval(() => {}, 1)", /^There is no setInterval: /],
          ["const text = 1; text(2)", /^The source has a variable of its own named text: /],
          ["[1].map((x) => await tools.echo({ x }))", /^await may stand at top level and in async functions only/],
          ["const a = (", /^\(It is at line 1, column 12\.\)$/],
          ["tools.hang({}); text('saved')", /^A call had no answer when the script ended, .*: tools\.hang\. Put await/],
          ["[1, 2].forEach(async (i) => { await tools.hang({ i }) })", /^2 calls had no answer when the script ended/],
          [
            "const p = tools.fail({}); await tools.echo({}); text('ok')",
            /^A call failed, whether or not .*: tools\.fail\.$/
          ],
          ["const a = 1", /^The cell put out nothing\./]
        ] as const
      ) {
        const said = (yield* exec(source)).slice(1)
        assert.isTrue(said.some((line) => expected.test(line)), `${source}: ${said.join("\n")}`)
      }
    }).pipe(Effect.provide(layer())))

  it.live("rejects with errors whose text is the tool's", () =>
    Effect.gen(function*() {
      const source =
        "try { await tools.fail({}) } catch (e) { text([String(e), `${e}`, e.message, e instanceof Error, " +
        "typeof e, JSON.stringify({ e })]); text(e) }"
      const [, , seen, asText] = yield* exec(source)
      assert.deepStrictEqual(JSON.parse(seen!), [
        "no such file",
        "no such file",
        "no such file",
        true,
        "object",
        "{\"e\":\"no such file\"}"
      ])
      assert.match(asText!, /^no such file\n {4}at async exec_main\.mjs:1:7$/)
    }).pipe(Effect.provide(layer())))

  it.live("has no console where there is to be none, and says so", () =>
    Effect.gen(function*() {
      const said = yield* exec("console.log(1)")
      assert.include(said.at(-1), "There is no console: put things out with text(value).")
      assert.include((yield* (yield* CodeMode.CodeMode).descriptions).exec, "There is no `console`.")
    }).pipe(Effect.provide(layer({ console: "none" }))))

  it.live("takes TypeScript", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* exec("const a: number = 1; text(a)"), completed("1"))
      assert.deepStrictEqual(yield* exec("const a: number = 1; return a"), completed("1"))
      const [status, , error] = yield* exec("enum A { B }")
      assert.strictEqual(status, "Failed")
      assert.match(error!, /enum is not supported/)
    }).pipe(Effect.provide(layer({ language: "typescript" }))))

  it.live("lists the calls of a cell that failed", () =>
    Effect.gen(function*() {
      const said = yield* exec(
        "await tools.echo({}); await tools.echo({}); try { await tools.fail({}) } catch {}; tools.hang({}); throw new Error('x')"
      )
      assert.strictEqual(said[0], "Failed")
      assert.strictEqual(
        said.at(-1),
        [
          "Calls that were made before that; do not repeat those whose effect is there:",
          "- tools.echo succeeded (2 times)",
          "- tools.fail failed, and may have done part of its work",
          "- tools.hang was stopped, with unknown effect"
        ].join("\n")
      )
    }).pipe(Effect.provide(layer())))

  it.live("cuts its output to the budget of its first line", () =>
    Effect.gen(function*() {
      const [status, , cut] = yield* exec("// @exec: {\"max_output_tokens\": 5}\ntext('0123456789'.repeat(4))")
      assert.strictEqual(status, "Completed")
      assert.strictEqual(
        cut,
        "Warning: truncated output (original token count: 10)\nTotal output lines: 1\n\n0123456789…5 tokens truncated…0123456789"
      )
    }).pipe(Effect.provide(layer())))

  it.live("refuses what is no source", () =>
    Effect.gen(function*() {
      for (
        const [source, text] of [
          [" \n", "exec expects raw JavaScript source text (non-empty)."],
          ["// @exec: {}\n  ", "exec pragma must be followed by JavaScript source on subsequent lines"],
          ["// @exec:\n1", "exec pragma must be a JSON object with supported fields"],
          ["// @exec: [1]\n1", "exec pragma must be a JSON object with supported fields"],
          ["// @exec: {oops\n1", "exec pragma must be valid JSON with supported fields"],
          [
            "// @exec: {\"a\": 1, \"b\": 2}\n1",
            "exec pragma only supports `yield_time_ms` and `max_output_tokens`; got `a`"
          ],
          ["// @exec: {\"yield_time_ms\": -1}\n1", "must be non-negative safe integers"],
          ["// @exec: {\"yield_time_ms\": 1.5}\n1", "must be non-negative safe integers"],
          ["// @exec: {\"yield_time_ms\": \"1\"}\n1", "must be non-negative safe integers"],
          [
            "// @exec: {\"max_output_tokens\": 9007199254740992}\n1",
            "exec pragma field `max_output_tokens` must be a non-negative safe integer"
          ]
        ]
      ) {
        const [status, said] = yield* exec(source!)
        assert.strictEqual(status, "Refused")
        assert.include(said, text)
      }
      assert.deepStrictEqual(yield* exec("  // @exec: {\"yield_time_ms\": null}\r\ntext(1)"), completed("1"))
    }).pipe(Effect.provide(layer())))

  it.live("ends a cell whose caller goes away", () =>
    Effect.gen(function*() {
      const session = yield* Runtime.SessionRuntime
      const admitted = yield* session.events.pipe(Stream.runHead, Effect.forkChild({ startImmediately: true }))
      const caller = yield* Effect.forkChild(exec("await tools.hang({})"))
      yield* Fiber.join(admitted)
      yield* Fiber.interrupt(caller)
      assert.lengthOf(yield* session.cells, 0)
    }).pipe(Effect.provide(layer())))
})

describe("wait", () => {
  it.live("gives what a cell puts out, and how it ends", () =>
    Effect.gen(function*() {
      const codeMode = yield* CodeMode.CodeMode
      const first = yield* codeMode.exec({
        source: "text('a'); yield_control(); const p = tools.hang({}); text('b'); yield_control(); await p"
      })
      const { cellId } = first
      assert.deepStrictEqual(show(first), ["Running", header(`Script running with cell ID ${cellId}`), "a"])
      const second = yield* codeMode.wait({ cellId: cellId! })
      assert.deepStrictEqual(show(second), ["Running", header(`Script running with cell ID ${cellId}`), "b"])
      assert.deepStrictEqual(show(yield* codeMode.wait({ cellId: cellId!, terminate: true })), [
        "Terminated",
        header("Script terminated"),
        [
          "Calls that were made before that; do not repeat those whose effect is there:",
          "- tools.hang was stopped, with unknown effect"
        ].join("\n")
      ])
      assert.deepStrictEqual(show(yield* codeMode.wait({ cellId: cellId! })), [
        "Failed",
        header("Script failed"),
        `Script error:\nexec cell ${cellId} not found`
      ])
      assert.strictEqual((yield* codeMode.wait({ cellId: "" })).status, "Failed")
    }).pipe(Effect.provide(layer())))

  it.live("without a time ends where a cell can never go on", () =>
    Effect.gen(function*() {
      const codeMode = yield* CodeMode.CodeMode
      const { cellId } = yield* codeMode.exec({ source: "text('a'); yield_control(); await new Promise(() => {})" })
      const stalled =
        "Script error:\nthe script waits for something that cannot come: a promise that nothing will settle. " +
        "It was ended, and what it stored is dropped. Await tool calls and timers, and promises that these settle."
      assert.deepStrictEqual(show(yield* codeMode.wait({ cellId: cellId! })), [
        "Failed",
        header("Script failed"),
        stalled
      ])
      const alone = yield* codeMode.exec({ source: "text('b'); await new Promise(() => {})" })
      assert.deepStrictEqual(show(alone), ["Failed", header("Script failed"), "b", stalled])
      assert.lengthOf(yield* (yield* Runtime.SessionRuntime).cells, 0)
    }).pipe(Effect.provide(layer())))
})

describe("a cell that can never go on", () => {
  const stalled = /^Script error:\nthe script waits for something that cannot come/

  it.live("is told of at once, by a wait that has a time, and by one that is there already", () =>
    Effect.gen(function*() {
      const codeMode = yield* CodeMode.CodeMode
      const first = yield* codeMode.exec({ source: "yield_control(); await new Promise(() => {})" })
      const late = yield* codeMode.wait({ cellId: first.cellId!, yieldTime: "5 minutes" })
      assert.strictEqual(late.status, "Failed")
      assert.match(show(late).at(-1)!, stalled)

      const second = yield* codeMode.exec({
        source: "yield_control(); await new Promise((resolve) => setTimeout(resolve, 300)); await new Promise(() => {})"
      })
      assert.strictEqual(second.status, "Running")
      const early = yield* codeMode.wait({ cellId: second.cellId! })
      assert.strictEqual(early.status, "Failed")
      assert.match(show(early).at(-1)!, stalled)
    }).pipe(Effect.provide(layer())))

  it.live("tells which calls have had their effect", () =>
    Effect.gen(function*() {
      const codeMode = yield* CodeMode.CodeMode
      const output = yield* codeMode.exec({
        source: "await tools.echo({ a: 1 }); store('k', 1); await Promise.race([])"
      })
      assert.strictEqual(output.status, "Failed")
      assert.match(show(output).at(-2)!, stalled)
      assert.include(show(output).at(-1), "- tools.echo succeeded")
      assert.deepStrictEqual(output.ledger?.calls.map(({ state }) => state), ["Succeeded"])
      assert.include(show(yield* codeMode.exec({ source: "text(String(load('k')))" })), "undefined")
    }).pipe(Effect.provide(layer())))
})

describe("descriptions", () => {
  it.live("have the tools, helpers and bounds of the session", () =>
    Effect.gen(function*() {
      const codeMode = yield* CodeMode.CodeMode
      const { exec, wait } = yield* codeMode.descriptions
      assert.include(exec, "echo(args: { [key: string]: unknown; })")
      assert.include(exec, "memory 256 MiB, source 1 MiB")
      assert.include(exec, "A cell that runs for 2s")
      assert.include(wait, "77 without it")
    }).pipe(Effect.provide(layer({ yieldTime: "2 seconds", maxOutputTokens: 77 }))))

  it.live("name tools that are too many to declare", () =>
    Effect.gen(function*() {
      const codeMode = yield* CodeMode.CodeMode
      const { exec } = yield* codeMode.descriptions
      assert.include(exec, "- tools.echo: Gives its argument")
      assert.notInclude(exec, "declare const tools")
      // Then the list of tools says how to call them.
      assert.include(
        show(yield* codeMode.exec({ source: "text(ALL_TOOLS[0].description)" })).at(-1),
        "echo(args: { [key: string]: unknown; })"
      )
    }).pipe(Effect.provide(layer({ maxDeclarations: 100 }))))

  it.live("leave out what servers say of their tools where there is no room for it, and tell of the tools all the same", () =>
    Effect.gen(function*() {
      const said = "Keep notes short. ".repeat(20)
      const delegate = Delegate.layer({
        tools: [{
          ...Delegate.definition("mcp__s__note", { description: "Notes", inputSchema: {} }),
          toolName: { name: "note", namespace: "mcp__s__" }
        }],
        instructions: new Map([["mcp__s__", said]]),
        invokeTool: () => Effect.succeed(null)
      })
      for (const [maxDeclarations, isSaid] of [[1000, true], [200, false]] as const) {
        const session = CodeMode.layer({ maxDeclarations }).pipe(
          Layer.provide(Runtime.layer()),
          Layer.provide([delegate, V8.layer({ warmLanes: 0 })])
        )
        yield* Effect.gen(function*() {
          const codeMode = yield* CodeMode.CodeMode
          const { exec } = yield* codeMode.descriptions
          assert.include(exec, "declare const tools: {")
          assert.strictEqual(exec.includes("Keep notes short."), isSaid)
          // The list of tools says no more than the server does: they are declared already.
          const { items } = yield* codeMode.exec({ source: "text(ALL_TOOLS[0].description)" })
          assert.deepStrictEqual(items.at(-1), { type: "input_text", text: "Notes" })
        }).pipe(Effect.provide(session, { local: true }))
      }
    }))

  it.live("get shorter by and by", () =>
    Effect.gen(function*() {
      const codeMode = yield* CodeMode.CodeMode
      const { exec } = yield* codeMode.descriptions
      assert.isTrue(exec.endsWith("\necho, fail, hang"))
    }).pipe(Effect.provide(layer({ maxDeclarations: 20 }))))

  it.live("leave out what is deferred", () =>
    Effect.gen(function*() {
      const codeMode = yield* CodeMode.CodeMode
      const { exec } = yield* codeMode.descriptions
      assert.include(exec, "There are 2 more tools.")
      assert.notInclude(exec, "hang(")
    }).pipe(Effect.provide(layer({ deferred: ({ name }) => name !== "echo" }))))
})

/** A model that answers with the given parts, one list a turn, and what it was sent. */
const scripted = (...turns: ReadonlyArray<ReadonlyArray<any>>) => {
  const prompts: Array<any> = []
  let turn = 0
  const model = LanguageModel.make({
    generateText: (options) =>
      Effect.sync(() => {
        prompts.push(options)
        return [...turns[turn++]!]
      }),
    streamText: () => Stream.empty
  })
  return { prompts, layer: Layer.effect(LanguageModel.LanguageModel, model) }
}

describe("a model", () => {
  it.live("runs cells through the toolkit, and gets images as images", () =>
    Effect.gen(function*() {
      const call = (id: string, name: string, params: object) => ({ type: "tool-call", id, name, params })
      const model = scripted(
        [call("c1", "exec", {
          source: "text(6 * 7); image('data:image/png;base64,AAAA'); yield_control(); text('more')"
        })],
        [{ type: "text", text: "42" }]
      )
      const chat = yield* Chat.empty
      const ask = (prompt: string) =>
        Effect.provide(chat.generateText({ prompt, toolkit: CodeMode.toolkit }), model.layer)
      const first = yield* ask("What is 6 * 7?")
      const [result] = first.toolResults
      assert(result?.name === "exec")
      const { status } = result.result as CodeMode.Output
      assert.strictEqual(status, "Running")
      assert.strictEqual((yield* ask("Go on")).text, "42")
      const sent = JSON.stringify(model.prompts[1].prompt)
      assert.include(sent, "\"mediaType\":\"image/png\"")
      assert.include(sent, "Script running with cell ID")
    }).pipe(Effect.provide(layer())))

  const Tools = Toolkit.make(
    Tool.make("ask", { parameters: Schema.Struct({ question: Schema.String }), success: Schema.String })
      .annotate(Delegate.Callers, "model"),
    Tool.make("rows", { success: Schema.Array(Schema.Number) }).annotate(Delegate.Callers, "cells"),
    Tool.make("now", { success: Schema.Number })
  )
  const handlers = Tools.toLayer({
    ask: ({ question }) => Effect.succeed(`${question} Yes.`),
    rows: () => Effect.succeed([1, 2]),
    now: () => Effect.succeed(7)
  })

  it.live("calls the tools that are for it, and cells those that are for them", () =>
    Effect.gen(function*() {
      const model = scripted(
        [
          { type: "tool-call", id: "c1", name: "ask", params: { question: "Well?" } },
          {
            type: "tool-call",
            id: "c2",
            name: "exec",
            params: { source: "text([await tools.rows(), await tools.now(), tools.ask, ALL_TOOLS.length])" }
          }
        ]
      )
      const toolkit = CodeMode.withTools(Tools)
      const { toolResults } = yield* LanguageModel.generateText({ prompt: "Go", toolkit }).pipe(
        Effect.provide([model.layer, handlers])
      )
      assert.deepStrictEqual(model.prompts[0].tools.map(({ name }: { name: string }) => name), [
        "exec",
        "wait",
        "ask",
        "now"
      ])
      assert.strictEqual(toolResults[0]?.result, "Well? Yes.")
      assert.deepStrictEqual(show(toolResults[1]?.result as CodeMode.Output).at(-1), "[[1,2],7,null,2]")
      // So it is for whoever uses the session itself.
      const session = yield* Runtime.SessionRuntime
      const { initial } = yield* session.execute({
        callId: "c",
        source: "await tools.ask({})",
        tools: (yield* Delegate.Delegate).tools
      })
      assert.match(JSON.stringify(yield* initial), /tools\.ask is not a function/)
    }).pipe(
      Effect.provide(
        CodeMode.layer().pipe(
          Layer.provideMerge(Runtime.layer()),
          Layer.provideMerge(Delegate.layerToolkit(Tools).pipe(Layer.provide(handlers))),
          Layer.provide(V8.layer({ warmLanes: 0 }))
        )
      )
    ))
})
