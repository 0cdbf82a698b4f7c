import { assert, describe, it } from "@effect/vitest"
import * as Catalogue from "effect-code-mode/Catalogue"
import { Delegate } from "effect-code-mode/Delegate"
import * as Mcp from "effect-code-mode/Mcp"
import { type ToolDefinition, type ToolError } from "effect-code-mode/Protocol"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as Corpus from "../mcp/corpus/Corpus.ts"
import { toolCall } from "../toolCall.ts"

const tool = (name: string, description = ""): ToolDefinition => ({
  name,
  toolName: { name, namespace: null },
  description,
  kind: "function"
})

const delegate = (tools: ReadonlyArray<ToolDefinition>) =>
  Delegate.of({
    tools,
    invokeTool: ({ toolName }) => Effect.succeed(`own ${toolName.name}`),
    notify: () => Effect.void
  })

const call = (self: Delegate["Service"], name: string, input?: Schema.Json): Effect.Effect<any, ToolError> =>
  self.invokeTool(toolCall({ name, input }))

const names = (self: Delegate["Service"], query: Schema.Json) =>
  Effect.map(call(self, "search", query), (found) => found.map(({ name }: { readonly name: string }) => name))

/** The tools of all published servers that there are. */
const published = Effect.map(
  Mcp.make(
    Array.from(Map.groupBy(Corpus.tools, ({ server }) => server), ([name, tools]): Mcp.Server => ({
      name: name.replace(/^.*\//, ""),
      tools,
      callTool: () => Effect.succeed(null)
    }))
  ),
  Catalogue.make
)

describe("Catalogue", () => {
  it.effect("finds tools by what they do, the best first", () =>
    Effect.gen(function*() {
      const self = yield* published
      const cases: ReadonlyArray<readonly [string, RegExp]> = [
        ["create merge request", /gitlab__create_merge_request$/],
        ["take a screenshot of the page", /screenshot/],
        ["readTextFile", /filesystem__read_text_file$/],
        ["kubernetes pods", /kubernetes__/],
        ["git comit", /git_mcp_server__git_commit$/]
      ]
      for (const [query, expected] of cases) {
        const found = yield* names(self, query)
        assert.isTrue(found.slice(0, 3).some((name: string) => expected.test(name)), `${query}: ${found}`)
      }
      assert.strictEqual((yield* names(self, { query: "file", limit: 3 })).length, 3)
      assert.strictEqual((yield* names(self, ["file", { limit: 3 }])).length, 3)
      assert.strictEqual((yield* names(self, [{ query: "file", limit: 3 }])).length, 3)
      assert.strictEqual((yield* names(self, ["file"])).length, 10)
      assert.strictEqual((yield* names(self, ["file", null])).length, 10)
      assert.strictEqual((yield* names(self, "file")).length, 10)
      assert.deepStrictEqual(yield* names(self, "xyzzyplugh"), [])
    }))

  it.effect("gives the first sentence of a description, and all of it when asked", () =>
    Effect.gen(function*() {
      const self = Catalogue.make(delegate([
        {
          ...tool("a-b", "Adds two numbers, e.g. 1.5. Not three!\nMore."),
          inputSchema: { properties: { a: { type: "number" } } }
        }
      ]))
      assert.deepStrictEqual(yield* call(self, "search", "adds"), [
        { name: "a_b", description: "Adds two numbers, e.g. 1.5." }
      ])
      const whole = {
        name: "a_b",
        description: "Adds two numbers, e.g. 1.5. Not three!\nMore.",
        declaration: "a_b(args: { a?: number; }): Promise<unknown>;"
      }
      assert.deepStrictEqual(yield* call(self, "describe", "a_b"), whole)
      assert.deepStrictEqual(yield* call(self, "describe", { name: "a-b" }), whole)
    }))

  it.effect("says what is wrong with a question", () =>
    Effect.gen(function*() {
      const self = Catalogue.make(delegate([tool("read_file", "Reads")]))
      const text = (name: string, input?: Schema.Json) =>
        Effect.map(Effect.flip(call(self, name, input)), ({ text }) => text)
      const takesQuery = "tools.search takes a query: some text, of at most 1000 characters"
      assert.strictEqual(yield* text("search"), takesQuery)
      assert.strictEqual(yield* text("search", { query: 1 }), takesQuery)
      assert.strictEqual(yield* text("search", "x".repeat(1001)), takesQuery)
      for (const limit of [0, 101, 1.5, "3"]) {
        for (const input of [{ query: "x", limit }, ["x", { limit }], [{ query: "x", limit }]]) {
          assert.strictEqual(yield* text("search", input), "tools.search takes a limit from 1 to 100")
        }
      }
      assert.strictEqual(yield* text("search", []), takesQuery)
      assert.strictEqual(yield* text("describe", {}), "tools.describe takes the name of a tool")
      assert.strictEqual(yield* text("describe", "read_fil"), "there is no tool \"read_fil\"; there is read_file")
      assert.strictEqual(yield* text("describe", "zzzz"), "there is no tool \"zzzz\"")
    }))

  it.effect("moves out of the way of tools of these names", () =>
    Effect.gen(function*() {
      const self = Catalogue.make(delegate([tool("search", "Finds"), tool("describe_2")]))
      assert.deepStrictEqual(self.tools.map(({ name }) => name), ["search", "describe_2", "search_2", "describe"])
      assert.include(self.tools[2]?.description, "(It is called search_2 as there is another search.)")
      assert.strictEqual(yield* call(self, "search", "x"), "own search")
      assert.deepStrictEqual(yield* call(self, "search_2", "finds"), [{ name: "search", description: "Finds" }])
    }))

  it.effect("is there where there are tools enough", () =>
    Effect.gen(function*() {
      const some = delegate([tool("a"), tool("b")])
      assert.deepStrictEqual(Catalogue.make(some, { from: 2 }).tools.length, 4)
      assert.deepStrictEqual(Catalogue.make(some, { from: 3 }).tools, some.tools)
      assert.deepStrictEqual(Catalogue.make(delegate([])).tools, [])
    }))

  it.effect("follows tools that change", () =>
    Effect.gen(function*() {
      let tools = [tool("one", "first")]
      const self = Catalogue.make({
        ...delegate([]),
        get tools() {
          return tools
        }
      })
      assert.strictEqual(self.tools, self.tools)
      assert.deepStrictEqual(yield* names(self, "second"), [])
      assert.strictEqual(self.tools.length, 3)
      tools = [...tools, tool("two", "second")]
      assert.deepStrictEqual(yield* names(self, "second"), ["two"])
      assert.deepStrictEqual(self.tools.map(({ name }) => name), ["one", "two", "search", "describe"])
    }))

  it.effect("finds no tool that is not for cells", () =>
    Effect.gen(function*() {
      const self = Catalogue.make(delegate([
        { ...tool("ask_person", "Asks a person"), annotations: { callers: "model" } },
        tool("ask_server", "Asks a server")
      ]))
      assert.deepStrictEqual(yield* names(self, "asks"), ["ask_server"])
      assert.include((yield* Effect.flip(call(self, "describe", "ask_person"))).text, "there is no tool \"ask_person\"")
    }))
})
