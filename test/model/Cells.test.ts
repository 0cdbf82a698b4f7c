/**
 * Sources as models write them, most of them wrong: each does what was meant, or tells the model what to do. The tools are
 * those of an MCP server `s`.
 */
import { assert, describe, it } from "@effect/vitest"
import * as CodeMode from "effect-code-mode/CodeMode"
import * as Delegate from "effect-code-mode/Delegate"
import { ToolError } from "effect-code-mode/Protocol"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as Model from "./Model.ts"

const definition = (tool: string) => ({
  ...Delegate.definition(`mcp__s__${tool}`, { description: "", inputSchema: {} }),
  toolName: { name: tool, namespace: "mcp__s__" }
})

const said = (text: string): Schema.Json => ({ content: [{ type: "text", text }] })

const invoke = (
  { input, toolName }: { readonly input?: Schema.Json; readonly toolName: { readonly name: string } }
) => {
  switch (toolName.name) {
    case "echo":
      return Effect.succeed(said(JSON.stringify(input ?? {})))
    case "fail":
      return Effect.succeed({ isError: true, content: [{ type: "text", text: "no such file" }] })
    case "slow":
      return Effect.as(Effect.sleep("300 millis"), said("slow"))
    case "rpc":
      return Effect.fail(
        new ToolError({ text: "MCP server s: MCP error -32602: path is required {\"field\":\"path\"}" })
      )
    case "die":
      return Effect.fail(new ToolError({ text: "MCP server s: it ended with status 3" }))
    default:
      return Effect.never
  }
}

const delegate = Delegate.layer({
  tools: ["echo", "fail", "slow", "rpc", "hang", "die"].map(definition),
  invokeTool: invoke
})

const failedCall = (tool: string) => `A call failed, whether or not the script has noticed: tools.mcp__s__${tool}.`
const shows = (text: string) => (output: ReadonlyArray<string>) => assert.deepStrictEqual(output, [text])
const tells = (...parts: ReadonlyArray<string>) => (output: ReadonlyArray<string>) => {
  for (const part of parts) {
    assert.include(output.join("\n"), part)
  }
}

const noModules = "There are no modules, no files and no network in a cell"

describe("a source as models write them", () => {
  it.live("does what was meant, or says what to do", () =>
    Effect.gen(function*() {
      const codeMode = yield* CodeMode.CodeMode
      const cases: ReadonlyArray<
        readonly [source: string, status: CodeMode.Output["status"], check: (output: ReadonlyArray<string>) => void]
      > = [
        ["```js\ntext(\"hi\")\n```", "Completed", shows("hi")],
        [
          "async () => { const r = await tools.mcp__s__echo({ a: 1 }); return r }",
          "Completed",
          shows("{\"content\":[{\"type\":\"text\",\"text\":\"{\\\"a\\\":1}\"}]}")
        ],
        ["const r = await tools.mcp__s__echo({ a: 1 }); return r.content[0].text", "Completed", shows("{\"a\":1}")],
        ["export default async function () { text(\"meant\") }", "Completed", shows("meant")],
        ["console.log(\"hi\")", "Completed", shows("hi")],
        [
          "try { await tools.mcp__s__rpc({}) } catch (e) { text(\"Error: \" + e.message); text(e instanceof Error) }",
          "Completed",
          (output) =>
            assert.deepStrictEqual(output, [
              "Error: MCP server s: MCP error -32602: path is required {\"field\":\"path\"}",
              "true",
              failedCall("rpc")
            ])
        ],
        [
          "const r = tools.mcp__s__slow({ a: 1 }); text(r); text(r.content?.[0]?.text)",
          "Completed",
          tells("[a promise: await it before you put it out]", "Put await before every call.")
        ],
        [
          "[1, 2, 3].forEach(async (i) => { const r = await tools.mcp__s__slow({ i }); text(\"done \" + i) })",
          "Completed",
          tells("3 calls had no answer when the script ended", "tools.mcp__s__slow", "The cell put out nothing.")
        ],
        ["Promise.reject(new Error(\"forgotten\")); await null; text(\"after\")", "Completed", shows("after")],
        [
          "const p = tools.mcp__s__rpc({}); await new Promise(r => setTimeout(r, 60)); text(\"after\")",
          "Completed",
          tells("after", failedCall("rpc"))
        ],
        [
          "setTimeout(() => { throw new Error(\"in timer\") }, 5); await new Promise(r => setTimeout(r, 60)); text(\"after\")",
          "Failed",
          tells("Error: in timer\n    at exec_main.mjs:1:26")
        ],
        [
          "text(\"before\"); await new Promise(() => {})",
          "Failed",
          tells("before", "the script waits for something that cannot come")
        ],
        ["const fs = require(\"fs\")", "Failed", tells("ReferenceError: require is not defined", noModules)],
        [
          "import fs from \"node:fs\"\ntext(typeof fs)",
          "Failed",
          tells("Unsupported import in exec: node:fs", noModules)
        ],
        ["await tools.mcp__s__ecko({ a: 1 })", "Failed", tells("did you mean tools.mcp__s__echo?")],
        ["await tools.s.echo({ a: 1 })", "Failed", tells("There is no tools.s.echo: did you mean tools.mcp__s__echo?")],
        [
          "try { await tools.mcp__s__echo({ b: 1n }) } catch (e) { text(\"bigint: \" + e) }",
          "Completed",
          tells("bigint: TypeError: Do not know how to serialize a BigInt")
        ],
        ["text(new Error(\"boom\"))", "Completed", tells("Error: boom\n    at exec_main.mjs:1:6")],
        [
          "try { await tools.mcp__s__die({}) } catch (e) { text(\"1 \" + e) } text((await tools.mcp__s__echo({})).content[0].text)",
          "Completed",
          tells("1 MCP server s: it ended with status 3", "{}", failedCall("die"))
        ],
        [
          "const r = await tools.mcp__s__fail({}); text(r)",
          "Completed",
          shows("{\"isError\":true,\"content\":[{\"type\":\"text\",\"text\":\"no such file\"}]}")
        ],
        [
          "let o = {}; for (let i = 0; i < 3000; i++) o = { p: o }; try { await tools.mcp__s__echo(o) } catch (e) { text(e.message) }",
          "Completed",
          tells("recursion limit exceeded")
        ],
        [
          "const { mcp__s__echo: echo } = tools; text((await echo({ a: 1 })).content[0].text); text(Object.keys(tools).length)",
          "Completed",
          (output) => assert.deepStrictEqual(output, ["{\"a\":1}", "6"])
        ],
        [
          "var tools = { x: 1 }; text(JSON.stringify(tools)); { const text = \"shadow\" } text(\"ok\")",
          "Completed",
          (output) => assert.deepStrictEqual(output, ["{\"x\":1}", "ok"])
        ],
        [
          "const text = \"my text\"; const result = await tools.mcp__s__echo({ text }); globalThis.text(result.content[0].text)",
          "Completed",
          shows("{\"text\":\"my text\"}")
        ],
        [
          "const results = await Promise.all(Array.from({ length: 2000 }, (_, i) => tools.mcp__s__echo({ i }))); " +
          "text(results.length + \" \" + results.at(-1).content[0].text)",
          "Completed",
          shows("2000 {\"i\":1999}")
        ],
        [
          "text(`line with \\`code\\` and ${\"$\"}{x} and C:\\new`)",
          "Completed",
          shows("line with `code` and ${x} and C:\new")
        ],
        [
          "const p = tools.mcp__s__rpc({}); await tools.mcp__s__slow({}); text(\"CLAIMED SUCCESS\")",
          "Completed",
          tells("CLAIMED SUCCESS", failedCall("rpc"))
        ],
        [
          "tools.mcp__s__slow({ write: 1 }); text(\"saved\")",
          "Completed",
          tells("saved", "A call had no answer when the script ended, and may have had an effect: tools.mcp__s__slow.")
        ],
        ["// @exec: {\"yield_time_ms\": 300}\nawait tools.mcp__s__hang({})", "Running", (output) =>
          assert.deepStrictEqual(output, [])]
      ]
      for (const [source, status, check] of cases) {
        const reply = yield* codeMode.exec({ source })
        assert.strictEqual(reply.status, status, source)
        check(Model.outputOf(reply).output)
      }
    }).pipe(Effect.provide(Model.layer({ delegate }))), 60_000)
})
