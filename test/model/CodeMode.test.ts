import { assert, describe, it } from "@effect/vitest"
import * as CodeMode from "effect-code-mode/CodeMode"
import * as Delegate from "effect-code-mode/Delegate"
import { ToolError } from "effect-code-mode/Protocol"
import * as Runtime from "effect-code-mode/Runtime"
import * as V8 from "effect-code-mode/V8"
import * as Chat from "effect/ai/Chat"
import * as LanguageModel from "effect/ai/LanguageModel"
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
    Layer.provide([tools, V8.layer()])
  )

const show = ({ items, status }: CodeMode.Output) => [
  status,
  ...items.map((item) => item.type === "input_text" ? item.text.replace(/\d+\.\d seconds/, "N seconds") : item.type)
]

const header = (title: string) => `${title}\nWall time N seconds\nOutput:\n`

const exec = (source: string) =>
  Effect.flatMap(CodeMode.CodeMode, (codeMode) => Effect.map(codeMode.exec({ source }), show))

const completed = (...texts: ReadonlyArray<string>) => ["Completed", header("Script completed"), ...texts]

describe("exec", () => {
  it.live("repairs what it can of sources as models write them", () =>
    Effect.gen(function*() {
      for (
        const [source, ...texts] of [
          ["text('as it is')", "as it is"],
          ["```js\ntext(\"hi\")\n```", "hi"],
          ["```typescript\n\ntext(\"hi\")\n```\n", "hi"],
          ["async () => { const r = await tools.echo({ a: 1 }); return r }", "{\"a\":1}"],
          [
            "// what it does\nasync function main() { return 4 }\n",
            "The cell put out nothing. Call text(value) with what you want to see."
          ],
          ["(async function () { return 4 })", "4"],
          ["const r = await tools.echo({ a: 1 }); return r", "{\"a\":1}"],
          ["if (true) { return 1 }\ntext('never')", "1"],
          ["const f = () => { return 1 }; text(f())", "1"],
          ["export default async function () { text(\"called\") }", "called"],
          ["const a = 1\nexport default async () => a", "1"],
          ["console.log(\"a\", { b: 1 }); console.error(2)", "a {\"b\":1}", "2"],
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
      assert.match(error!, /^Script error:\nReferenceError: nothing is not defined\n {4}at .*:2:1/)
    }).pipe(Effect.provide(layer())))

  it.live("says in a line what to do about mistakes", () =>
    Effect.gen(function*() {
      for (
        const [source, expected] of [
          ["await tools.ecko({})", /\ndid you mean tools\.echo\?/],
          ["const fs = require('fs')", /\nThere is no Node, no network and no file system here: use the tools\.$/],
          ["import fs from 'node:fs'\ntext(typeof fs)", /\nModules cannot be imported here: use the tools/],
          ["await tools.s.echo({})", /\nTools are called by their full name: see ALL_TOOLS/],
          [
            "try { await tools.fail({}) } catch (e) { text('Error: ' + e.message) }",
            /^A tool that fails rejects with a string: write String\(e\), and not e\.message\.$/
          ],
          ["tools.hang({}); text('saved')", /^A call was not awaited, and stopped when .*: tools\.hang\. Put await/],
          ["1 + 1", /^The cell put out nothing\./]
        ] as const
      ) {
        assert.match((yield* exec(source)).at(-1)!, expected, source)
      }
    }).pipe(Effect.provide(layer())))

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
      const { cellId } = yield* codeMode.exec({ source: "yield_control(); await new Promise(() => {})" })
      assert.strictEqual(
        show(yield* codeMode.wait({ cellId: cellId! })).at(-1),
        "The cell can never go on: it waits for something that does not come. Terminate it."
      )
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
    }).pipe(Effect.provide(layer({ maxDeclarations: 10 }))))
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
})
