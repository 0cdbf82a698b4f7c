import { assert, describe, it } from "@effect/vitest"
import * as Input from "effect-code-mode/bin/commands/Input"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { folder, run, server, startCommand } from "./Process.ts"

const repl = (lines: ReadonlyArray<string>, ...args: ReadonlyArray<string>) =>
  run(["repl", ...args], { stdin: lines.map((line) => `${line}\n`).join("") })

describe("repl", () => {
  it.live("runs cells one after the other, and shows their values", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "session.json")
      assert.deepStrictEqual(
        yield* repl(
          [
            "6 * 7",
            "const list = [",
            "  1,",
            "",
            "  2]; text(list)",
            "store('kept', { a: 1 })",
            "load('kept')",
            "await Promise.resolve('later')",
            "undefined",
            "`one",
            "two`",
            "('three'",
            ".length",
            ")"
          ],
          "--session",
          path
        ),
        { status: 0, stdout: "42\n[1,2]\n{\"a\":1}\nlater\none\ntwo\n5\n", stderr: "" }
      )
      assert.deepStrictEqual(JSON.parse(readFileSync(path, "utf8")).storedValues, { kept: { a: 1 } })
    }))

  it.live("shows values that are no JSON too", () =>
    Effect.gen(function*() {
      const { stderr, stdout } = yield* repl([
        "new Map([[1, 2n]])",
        "[new Set('ab')]",
        "(a) => a",
        "Symbol('s')",
        "new TypeError('no')",
        "null",
        "''",
        "NaN",
        "new Date(0)"
      ])
      assert.strictEqual(stderr, "")
      assert.strictEqual(
        stdout,
        "[[1,\"2n\"]]\n[[\"a\",\"b\"]]\n(a) => a\nSymbol(s)\nTypeError: no\nnull\n\nNaN\n\"1970-01-01T00:00:00.000Z\"\n"
      )
    }))

  it.live("says where in the input an error is", () =>
    Effect.gen(function*() {
      const { stderr } = yield* repl(["null.a", "[1].map(() => {", "  null.b", "})", "nowhere", "let a", "null.c"])
      assert.deepStrictEqual(stderr.trimEnd().split("\n"), [
        "TypeError: Cannot read properties of null (reading 'a')",
        "    at exec_main.mjs:1:6",
        "TypeError: Cannot read properties of null (reading 'b')",
        "    at exec_main.mjs:2:8",
        "    at Array.map (<anonymous>)",
        "    at exec_main.mjs:1:5",
        "ReferenceError: nowhere is not defined",
        "TypeError: Cannot read properties of null (reading 'c')",
        "    at exec_main.mjs:1:6"
      ])
    }))

  it.live("names the tool that may have been meant", () =>
    Effect.gen(function*() {
      const { stderr } = yield* repl(
        ["await tools.ad({})", "tools.mcp__fake__aad({})", "tools.entirely_different()"],
        "--mcp",
        `fake=${server()}`
      )
      assert.deepStrictEqual(stderr.trimEnd().split("\n"), [
        "TypeError: tools.ad is not a function",
        "did you mean tools.mcp__fake__add?",
        "    at exec_main.mjs:1:13",
        "TypeError: tools.mcp__fake__aad is not a function",
        "did you mean tools.mcp__fake__add?",
        "    at exec_main.mjs:1:7",
        "TypeError: tools.entirely_different is not a function",
        "    at exec_main.mjs:1:7"
      ])
    }))

  it.live("takes TypeScript", () =>
    Effect.gen(function*() {
      const { stderr, stdout } = yield* repl([
        "const twice = (n: number): number => {",
        "  return n * 2",
        "}; text(twice(2))",
        "interface A {",
        "  a: string",
        "}",
        "(6 as number) * 7",
        "(<T,>(value: T): T => value)<string>('typed')",
        "new Map<string, number>([['a', 1]])",
        "enum E { A }",
        "(null as any).a"
      ])
      assert.strictEqual(stdout, "4\n42\ntyped\n[[\"a\",1]]\n")
      assert.deepStrictEqual(stderr.trimEnd().split("\n"), [
        "SyntaxError: TypeScript enum is not supported in strip-only mode: write it in JavaScript",
        "TypeError: Cannot read properties of null (reading 'a')",
        "    at exec_main.mjs:1:15"
      ])
    }))

  it.live("says that variables are not kept", () =>
    Effect.gen(function*() {
      const { stderr } = yield* repl(["const kept = 1", "text(kept)", "text(other)"])
      assert.deepStrictEqual(stderr.trimEnd().split("\n").filter((line) => !line.startsWith("    at ")), [
        "ReferenceError: kept is not defined",
        "kept was declared in an earlier cell; cells do not share variables, store() and load() do",
        "ReferenceError: other is not defined"
      ])
    }))

  it.live("shows one tool", () =>
    Effect.gen(function*() {
      const { stderr, stdout } = yield* repl(
        [".tools mcp__fake__add", ".tools add", ".tools nonsense"],
        "--mcp",
        `fake=${server()}`
      )
      assert.match(stdout, /^type Role[^]*\n\ndeclare const tools: \{\n[^]*mcp__fake__add\([^]*\n\};\n$/)
      assert.notInclude(stdout, "mcp__fake__where")
      assert.strictEqual(
        stderr,
        "there is no tool add; did you mean mcp__fake__add?\nthere is no tool nonsense\n"
      )
    }))

  it.live("goes on after a cell that failed", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* repl(["nope()", "let a = ]", "throw 'this'", "1"])
      assert.strictEqual(stdout, "1\n")
      assert.strictEqual(stderr, "ReferenceError: nope is not defined\nSyntaxError: Unexpected token ']'\nthis\n")
      assert.strictEqual(status, 0)
    }))

  it.live("has commands", () =>
    Effect.gen(function*() {
      const { stderr, stdout } = yield* repl(
        [
          ".tools",
          ".cells",
          ".wait",
          ".terminate nobody",
          ".nonsense",
          "text(",
          ".break",
          "tools.mcp__fake__add({ a: 1, b: 2 }).then(({ structuredContent }) => structuredContent)",
          ".help",
          ".exit",
          "never"
        ],
        "--mcp",
        `fake=${server()}`
      )
      assert.match(
        stdout,
        /^type Role = [^]*\n {2}mcp__fake__big\(.*\n\};\nno cells\n\{"sum":3\}\nEvery input is a cell/
      )
      assert.notInclude(stdout, "never")
      assert.deepStrictEqual(stderr.replace(/\d+ ms/, "TIME").trimEnd().split("\n"), [
        ".wait takes the id of a cell; .cells shows them",
        "there is no such cell; .cells shows those that there are",
        "there is no command .nonsense; .help shows those that there are",
        "mcp__fake__add  TIME  ok"
      ])
    }))

  it.live("comes back from a cell that takes long, which can be waited for or ended", () =>
    Effect.gen(function*() {
      const { child, printed, result, stdout } = yield* startCommand(["repl", "--yield-after", "300ms"], {
        keepOpen: true
      })
      const type = (line: string) => Effect.sync(() => child.stdin.write(`${line}\n`))
      yield* type("text('a'); while (true);")
      yield* type(".cells")
      yield* printed("  running\n")
      const id = /(\w+) {2}running/.exec(stdout())![1]!
      yield* type(`.wait ${id}`)
      yield* type(`.terminate ${id}`)
      yield* type(".cells")
      yield* printed("no cells\n")
      child.stdin.end()
      const { status, stderr } = yield* result
      assert.strictEqual(status, 0)
      const told = `yielded: cell ${id} is still running\n.wait ${id} waits for it again, .terminate ${id} ends it\n`
      assert.strictEqual(stderr, `${told}${told}terminated\n`)
    }))
})

describe("Input", () => {
  it.each([
    ["", false],
    ["1", false],
    ["{", true],
    ["if (a) {\n  b(", true],
    ["f(1,", true],
    ["1 +", true],
    ["`a", true],
    ["/* a", true],
    ["'a", false],
    ["let a = ]", false],
    ["await x", false],
    ["import 'a'", false]
  ])("isIncomplete %j", (source, incomplete) => {
    assert.strictEqual(Input.isIncomplete(source), incomplete)
  })

  it.each(["let a = 1", "1; 2", "throw 1", "", "// nothing"])("leaves %j as it is", (source) => {
    assert.strictEqual(Input.toCell(source).source, source)
    assert.strictEqual(
      Input.toCell(source).explain("Error\n    at exec_main.mjs:7:1"),
      "Error\n    at exec_main.mjs:7:1"
    )
  })

  it("shows the value of an expression", () => {
    assert.include(Input.toCell("{ a: 1 }.a // so").source, "text(__show(__value))")
    assert.include(Input.toCell("await x").source, "text(__show(__value))")
  })
})
