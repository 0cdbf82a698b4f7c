import { assert, describe, it } from "@effect/vitest"
import * as Completion from "effect-code-mode/bin/commands/Completion"
import type { ToolDefinition } from "effect-code-mode/Protocol"

const tool = (name: string, properties?: Readonly<Record<string, object>>): ToolDefinition => ({
  name,
  toolName: { name, namespace: null },
  kind: "function",
  description: "",
  ...(properties === undefined ? {} : { inputSchema: { type: "object", properties } as never })
})

const tools = [tool("read-file", { path: {}, head: {}, "not an identifier": {} }), tool("ping")]

const words = (line: string, before = "") => Completion.complete(before, line, tools).words

describe("Completion.complete", () => {
  it.each([
    ["tools.r", ["tools.read_file"]],
    ["await tools.p", ["tools.ping"]],
    ["sto", ["store"]],
    ["text(lo", ["load"]],
    [".to", [".tools"]],
    ["1 .to", []],
    [".tools p", ["ping"]],
    [".tools ", ["read_file", "ping"]],
    ["tools.read_file({ ", ["path: ", "head: "]],
    ["tools.read_file({ p", ["path: "]],
    ["tools.read_file({p", ["path: "]],
    ["text(await tools.read_file({ path: f('a', {b: [1]}), h", ["head: "]],
    ["tools.read_file({ path: 'a, {', h", ["head: "]],
    ["tools.read_file({ path: p", []],
    ["tools.read_file({ head: { p", []],
    ["tools.read_file({ path: 1 }, p", []],
    ["tools.ping({ pa", []],
    ["tools.nothing({ pa", []]
  ])("of %j are %j", (line, completed) => {
    assert.deepStrictEqual(words(line), completed)
  })

  it("knows the lines before", () => {
    assert.deepStrictEqual(words("  h", "tools.read_file({\n  path: 1,"), ["head: "])
    assert.deepStrictEqual(words(".tools r", "list"), [])
  })

  it("replaces the word only", () => {
    assert.strictEqual(Completion.complete("", "text(tools.re", tools).word, "tools.re")
    assert.strictEqual(Completion.complete("", "tools.read_file({ pa", tools).word, "pa")
    assert.strictEqual(Completion.complete("", ".tools pi", tools).word, "pi")
  })

  it("ends soon, whatever is typed", () => {
    assert.deepStrictEqual(words(`${"({[".repeat(100_000)}tools.read_file({ p`), ["path: "])
  })
})
