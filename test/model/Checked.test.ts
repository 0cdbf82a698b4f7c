/** Sources of a model that are checked before they run. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Check from "effect-code-mode/Check"
import * as CodeMode from "effect-code-mode/CodeMode"
import * as Delegate from "effect-code-mode/Delegate"
import * as Runtime from "effect-code-mode/Runtime"
import * as V8 from "effect-code-mode/V8"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Model from "./Model.ts"

const called: Array<string> = []

const tools = Delegate.layerTools({
  find_issue: Delegate.tool({
    description: "Finds an issue",
    parameters: Schema.Struct({ title: Schema.String, limit: Schema.optionalKey(Schema.Number) }),
    success: Schema.Struct({ id: Schema.Number }),
    handler: ({ title }) =>
      Effect.sync(() => {
        called.push(title)
        return { id: title.length }
      })
  })
})

const layerOf = (options: CodeMode.CheckedOptions, check: Layer.Layer<Check.Check, Check.CompilerMissing>) =>
  CodeMode.layer(options).pipe(
    Layer.provide([Runtime.layer(), check]),
    Layer.provide([tools, V8.layer({ warmLanes: 0 })])
  )

const exec = Effect.fnUntraced(function*(source: string, language?: "javascript" | "typescript") {
  const codeMode = yield* CodeMode.CodeMode
  called.length = 0
  const output = yield* codeMode.exec({ source, language })
  const { header, output: texts } = Model.outputOf(output)
  return { status: output.status, header, texts, location: output.error?.location, called: [...called] }
})

const header = (title: string) => `${title}\nWall time T seconds\nOutput:\n`
const failed = (...lines: ReadonlyArray<string>) =>
  ["Script error:", "The source was checked, and does not fit its tools. Nothing of it has run.", ...lines].join("\n")
const signature = "How to call it:\nfind_issue(args: { limit?: number; title: string; }): Promise<{ id: number; }>;"

layer(layerOf({ check: true }, Check.layer()), { excludeTestServices: true })("exec, checked", (it) => {
  it.effect("runs what fits", () =>
    Effect.gen(function*() {
      const { called, status, texts } = yield* exec("text((await tools.find_issue({ title: \"a\" })).id)")
      assert.deepStrictEqual([status, texts, called], ["Completed", ["1"], ["a"]])
    }))

  it.effect("runs nothing of what does not, and says where it stands and how to call the tool", () =>
    Effect.gen(function*() {
      const source = "const a = await tools.find_issue({ title: \"a\" })\ntext(a.id)\n" +
        "const b = await tools.find_issue({ titel: \"b\" })\ntools.find_isue({})"
      assert.deepStrictEqual(yield* exec(source), {
        status: "Failed",
        header: header("Script failed"),
        texts: [
          failed(
            "line 3, column 36: Object literal may only specify known properties, but 'titel' does not exist in type " +
              "'{ limit?: number | undefined; title: string; }'. Did you mean to write 'title'?",
            "line 4, column 1: nothing waits for this call: put await before it",
            "line 4, column 7: there is no tool find_isue: did you mean tools.find_issue?"
          ),
          signature
        ],
        location: { line: 3, column: 36 },
        called: []
      })
    }))

  it.effect.each<readonly [source: string, line: string, ...hints: ReadonlyArray<string>]>([
    // A source in a fence, with a pragma: the place is in what is the source.
    [
      "```js\n// @exec: {\"max_output_tokens\": 100}\nconst x = 1\nawait tools.find_issue({})\n```",
      "line 2, column 24: Property 'title' is missing in type '{}' but required in type " +
      "'{ limit?: number | undefined; title: string; }'.",
      signature
    ],
    // Repairs have no places.
    [
      "async () => { return await tools.find_issue({ title: 1 }) }",
      "line 1, column 47: Type 'number' is not assignable to type 'string'.",
      signature
    ],
    ["return tools.nope()", "line 1, column 14: there is no tool nope; there are find_issue"],
    [
      "tools.find_issue({ title: \"a\", limt: 1 })",
      "line 1, column 32: Object literal may only specify known properties, but 'limt' does not exist in type " +
      "'{ limit?: number | undefined; title: string; }'. Did you mean to write 'limit'?",
      signature
    ],
    [
      "text(1)\nconst data = await fetch(\"https://a.b\")",
      "line 2, column 20: Cannot find name 'fetch'.",
      "There are no modules, no files and no network in a cell: what it reaches are the tools on `tools`."
    ],
    [
      "text(await tools.tracker.find_issue({ title: \"a\" }))",
      "line 1, column 18: there is no tool tracker; there are find_issue",
      "There is no tools.tracker.find_issue: did you mean tools.find_issue?"
    ]
  ])("finds mistakes in a source as models write them: %s", ([source, line, ...hints]) =>
    Effect.gen(function*() {
      const { called, texts } = yield* exec(source)
      assert.deepStrictEqual(texts, [failed(line), ...hints])
      assert.deepStrictEqual(called, [])
    }))

  it.effect.each([
    "```js\nconsole.log(\"a\", 1)\ntext(\"a\", 2)\n```",
    "tools.find_issue({ title: \"a\" })",
    "const main = async () => { text(await tools.find_issue({ title: \"a\" })) }\nmain()",
    "export default async function main() { text((await tools.find_issue({ title: \"a\" })).id) }",
    "const r = await tools.find_issue({ title: \"a\" }); return r.anything",
    "const issue: { id: number } = await tools.find_issue({ title: \"a\" } as const); text(issue.id)",
    "async (tools) => { const { id } = await tools.find_issue({ title: \"a\" }); return id }",
    "text(globalThis.tools === tools); globalThis.text(1); globalThis.own = 1",
    "var tools = { x: 1 }; text(tools.x); { const text = \"own\"; text.length }",
    "store(\"a\", { b: 1 }); text(load(\"a\").b); notify(\"n\"); yield_control(); exit()",
    "for await (const { value } of as_settled([tools.find_issue({ title: \"a\" })])) text(value)",
    "await stream_settled(new Map([[\"k\", tools.find_issue({ title: \"a\" })]]), ({ index }) => text(index))"
  ])("has nothing against a source that runs: %s", (source) =>
    Effect.gen(function*() {
      const { status, texts } = yield* exec(source)
      assert.strictEqual(status, status === "Running" ? "Running" : "Completed", texts.join("\n"))
    }))

  it.effect("leaves errors of syntax to the engine", () =>
    Effect.gen(function*() {
      assert.include((yield* exec("await tools.nope(")).texts[0], "SyntaxError")
    }))

  it.effect("says to a model that sources are checked", () =>
    Effect.gen(function*() {
      const { descriptions } = yield* CodeMode.CodeMode
      assert.include((yield* descriptions).exec, "The source is checked against these types first.")
    }))
})

layer(layerOf({ check: "strict", language: "typescript" }, Check.layer()), { excludeTestServices: true })(
  "exec of TypeScript, checked strictly",
  (it) => {
    it.effect("finds what its types say", () =>
      Effect.gen(function*() {
        const { location, texts } = yield* exec(
          "const issue: { id: string } = await tools.find_issue({ title: \"a\" })\nreturn issue.id"
        )
        assert.include(
          texts[0],
          "line 1, column 7: Type '{ id: number; }' is not assignable to type '{ id: string; }'."
        )
        assert.deepStrictEqual(location, { line: 1, column: 7 })
      }))

    it.effect("runs what fits", () =>
      Effect.gen(function*() {
        const { texts } = yield* exec(
          "const issue: { id: number } = await tools.find_issue({ title: \"a\" })\nreturn issue.id"
        )
        assert.deepStrictEqual(texts, ["1"])
      }))
  }
)

describe("a check that fails", () => {
  it.live("costs no cell: it runs, and the model is told", () =>
    Effect.gen(function*() {
      const { called, status, texts } = yield* exec("text((await tools.find_issue({ title: \"a\" })).nope)")
      assert.deepStrictEqual([status, called], ["Completed", ["a"]])
      assert.match(
        texts.at(-1)!,
        /^The source of this cell was not checked before it ran: the compiler failed: it (?:ended with status 0|closed its input)\.$/
      )
    }).pipe(Effect.provide(layerOf({ check: "names" }, Check.layer({ executable: "/bin/true" })))))

  it.live("is none where nothing is checked", () =>
    Effect.gen(function*() {
      const { called, texts } = yield* exec("const r = await tools.find_issue({ titel: \"b\" })")
      assert.deepStrictEqual(called, [])
      assert.include(texts[0], "Missing key")
    }).pipe(Effect.provide(layerOf({ check: "off" }, Check.layer({ executable: "/bin/true" })))))
})
