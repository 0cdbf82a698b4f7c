import { assert, describe, it } from "@effect/vitest"
import * as Declared from "effect-code-mode/bin/commands/Declared"

describe("Declared.namesIn", () => {
  it.each([
    ["const a = 1", ["a"]],
    ["let a = 1, b = f(c, d)", ["a", "b"]],
    ["var a", ["a"]],
    ["const { a, b: [c], ...d } = x", ["a", "b", "c", "d"]],
    ["const {\n  a,\n  b\n} = x", ["a", "b"]],
    ["function f(a) {\n  const b = 1\n}", ["f"]],
    ["async function f() {}", ["f"]],
    ["function* f() {}", ["f"]],
    ["class A extends B {}", ["A"]],
    ["text(1)\nconst é = 1", ["é"]],
    ["constant = 1; lets = 2", []]
  ])("%j are %j", (source, names) => {
    assert.deepStrictEqual(Declared.namesIn(source), names)
  })
})

describe("Declared.explain", () => {
  it("tells of what was declared", () => {
    const { add, explain } = Declared.make()
    const text = "ReferenceError: a is not defined\n    at exec_main.mjs:1:1"
    assert.strictEqual(explain(text), text)
    add("const a = 1")
    assert.strictEqual(
      explain(text),
      "ReferenceError: a is not defined\na was declared in an earlier cell; cells do not share variables, store() and " +
        "load() do\n    at exec_main.mjs:1:1"
    )
    assert.strictEqual(explain("ReferenceError: b is not defined"), "ReferenceError: b is not defined")
    assert.strictEqual(explain("Error: a is not defined"), "Error: a is not defined")
  })

  it("forgets what is long ago", () => {
    const { add, explain } = Declared.make()
    add("let first")
    add(Array.from({ length: 1000 }, (_, n) => `let a${n}`).join("\n"))
    assert.notInclude(explain("ReferenceError: first is not defined"), "declared")
    assert.include(explain("ReferenceError: a999 is not defined"), "declared")
  })
})
