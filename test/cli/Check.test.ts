/** `--check`, with the real compiler. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { run, server, startCommand } from "./Process.ts"

const withServer = ["--mcp", `t=${server()}`]

describe("effect-code-mode run --check", () => {
  it.live("runs a cell that fits its tools", () =>
    Effect.gen(function*() {
      const { status, stdout } = yield* run(["run", "-", "--check=strict", ...withServer], {
        stdin: "text((await tools.mcp__t__add({ a: 1, b: 2 })).content[0].text)"
      })
      assert.deepStrictEqual([status, stdout], [0, "3\n"])
    }))

  it.live("shows the mistakes of one that does not, and runs nothing", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* run(["run", "-", "--check", ...withServer], {
          stdin: "text(await tools.mcp__t__add({ a: 1, b: 2 }))\n  tools.mcp__t__ad({ a: 1 })"
        }),
        {
          status: 1,
          stdout: "",
          stderr: [
            "nothing waits for this call: put await before it",
            "<stdin>:2:3",
            " 2 |   tools.mcp__t__ad({ a: 1 })",
            "   |   ^",
            "",
            "there is no tool mcp__t__ad: did you mean tools.mcp__t__add?",
            "<stdin>:2:9",
            " 2 |   tools.mcp__t__ad({ a: 1 })",
            "   |         ^",
            "",
            "The cell has 2 mistakes, and was not run\n"
          ].join("\n")
        }
      )
    }))

  it.live("tells a program of them", () =>
    Effect.gen(function*() {
      const { status, stdout } = yield* run(["run", "-", "--check", "--json"], { stdin: "tols" })
      assert.strictEqual(status, 1)
      assert.deepStrictEqual(JSON.parse(stdout), {
        type: "mistake",
        text: "Cannot find name 'tols'. Did you mean 'tools'?",
        location: { line: 1, column: 1 }
      })
    }))

  it.live("knows its levels", () =>
    Effect.gen(function*() {
      const { status, stderr } = yield* run(["run", "-", "--check=some"], { stdin: "" })
      assert.strictEqual(status, 2)
      assert.include(stderr, "Expected: \"off\" | \"names\" | \"strict\"")
      assert.strictEqual(
        (yield* run(["run", "-", "--check=off"], { stdin: "text(typeof tols)" })).stdout,
        "undefined\n"
      )
    }))
})

describe("effect-code-mode repl --check", () => {
  it.live("refuses an input with mistakes, and goes on", () =>
    Effect.gen(function*() {
      const { result } = yield* startCommand(["repl", "--check", ...withServer], {
        stdin: [
          "const kept = 1",
          "tools.mcp__t__ad({ a: 1 })",
          "kept + 1",
          "(await tools.mcp__t__add({ a: 1, b: 2 })).content[0].text",
          ""
        ].join("\n")
      })
      const { status, stderr, stdout } = yield* result
      assert.deepStrictEqual([status, stdout], [0, "3\n"])
      assert.include(stderr, "there is no tool mcp__t__ad: did you mean tools.mcp__t__add?\ninput:1:7\n")
      assert.include(
        stderr,
        "Cannot find name 'kept'.\nkept was declared in an earlier cell; cells do not share variables, store() and load() do\n" +
          "input:1:1\n"
      )
    }))
})
