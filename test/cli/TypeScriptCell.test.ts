import { assert, describe, it } from "@effect/vitest"
import * as Delegate from "effect-code-mode/Delegate"
import * as Runtime from "effect-code-mode/Runtime"
import * as V8 from "effect-code-mode/V8"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { folder, run } from "./Process.ts"

const session = Runtime.layer().pipe(Layer.provide([Delegate.layerNoop, V8.layer({ warmLanes: 0 })]))

const noError = { _tag: "none", text: "", location: undefined }

const execute = Effect.fnUntraced(function*(source: string) {
  const { execute } = yield* Runtime.SessionRuntime
  const { initial } = yield* execute({ callId: "call", source, language: "typescript" })
  const event = yield* initial
  return {
    text: event.items.map((item) => item.type === "input_text" ? item.text : item.type),
    error: event._tag === "Completed" && event.error !== undefined ? event.error : noError
  }
})

describe("cells in TypeScript", () => {
  it.live("run without their types", () =>
    Effect.gen(function*() {
      const { error, text } = yield* execute(`#!/usr/bin/env effect-code-mode
        import type { Nothing } from "nowhere"
        interface Item { readonly name: string; count?: number }
        type Names<T extends Item> = ReadonlyArray<T["name"]>
        declare const unknown: Nothing
        const items = [{ name: "a" }, { name: "b", count: 2 }] satisfies Array<Item>
        const names = <T extends Item>(all: ReadonlyArray<T>): Names<T> => all.map(({ name }) => name)
        const address: string = "a@b.c"; /* @nobody */
        class Box<T> { constructor(value: T) { this.value = value } value: T; get<K extends keyof T>(key: K) { return this.value[key]! } }
        text(names(items).join() + (new Box(items[1]!).get("count") as number))
      `)
      assert.deepStrictEqual({ error, text }, { error: noError, text: ["a,b2"] })
    }).pipe(Effect.provide(session)))

  it.live("keep their lines and columns", () =>
    Effect.gen(function*() {
      const { error } = yield* execute(
        "type A = {\n  a: 1\n}\nconst a: A = { a: 1 as const }; throw new Error(`at ${a.a}`)"
      )
      assert.strictEqual(error.text, "Error: at 1\n    at exec_main.mjs:4:39")
      assert.deepStrictEqual(error.location, { line: 4, column: 39 })
    }).pipe(Effect.provide(session)))

  it.live("fail where types are not all that has to go, with the place", () =>
    Effect.gen(function*() {
      const refused = [
        ["text(1)\nenum A { x }", 2, 1, "enum"],
        ["text(1)\n\n  enum A {\n    x\n  }", 3, 3, "enum"],
        ["  namespace A { export const x = 1 }", 1, 3, "namespace"],
        ["class A { constructor(private x: number) {} }", 1, 31, "parameter property"],
        ["class A {\n  @logged f(): void {}\n}", 2, 3, "Decorators are not supported in strip-only mode: write it in"],
        ["#!/usr/bin/env x\n\t/* 😀 漢 */ @sealed({ a: 1 as number }) class A {}", 2, 13, "Decorators are not"],
        ["\n\tlet a: = 1", 2, 9, "Unexpected token"],
        ["/* 😀 漢 */ let a: = 1", 1, 19, "Unexpected token"]
      ] as const
      for (const [source, line, column, text] of refused) {
        const { error } = yield* execute(source)
        assert.strictEqual(error._tag, "ScriptError")
        assert.match(error.text, /^SyntaxError: /)
        assert.include(error.text, text)
        assert.deepStrictEqual(error.location, { line, column }, source)
      }
    }).pipe(Effect.provide(session)))

  it.live("that break the stripper harm no other", () =>
    Effect.gen(function*() {
      const nested = `const a = ${"[".repeat(20_000)}${"]".repeat(20_000)}`
      const results = yield* Effect.all([execute(nested), execute("const a: number = 1; text(a)"), execute(nested)], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(results.map(({ error, text }) => error === noError ? text : error.text), [
        "SyntaxError: the types cannot be taken out of this source: it nests too deeply",
        ["1"],
        "SyntaxError: the types cannot be taken out of this source: it nests too deeply"
      ])
      assert.deepStrictEqual((yield* execute("text(1 as number)")).text, ["1"])
    }).pipe(Effect.provide(session)))

  it.live.each(["cell.ts", "cell.mts"])(
    "are told by the name of %s, and nothing is said of it",
    (name) =>
      Effect.gen(function*() {
        const home = yield* folder
        writeFileSync(join(home, name), "const answer: number = 42\ntext(answer)\n")
        assert.deepStrictEqual(yield* run(["run", name], { cwd: home }), { status: 0, stdout: "42\n", stderr: "" })
      })
  )

  it.live("show the place of an error", () =>
    Effect.gen(function*() {
      const home = yield* folder
      writeFileSync(join(home, "cell.ts"), "text(1)\nenum A { x }\n")
      const { status, stderr } = yield* run(["run", "cell.ts"], { cwd: home })
      assert.strictEqual(
        stderr,
        "SyntaxError: TypeScript enum is not supported in strip-only mode: write it in JavaScript\n\n"
          + "cell.ts:2:1\n 2 | enum A { x }\n   | ^\n"
      )
      assert.strictEqual(status, 1)
    }))
})
