import { assert, describe, it } from "@effect/vitest"
import * as ServerFlag from "effect-code-mode/bin/commands/ServerFlag"
import * as Words from "effect-code-mode/bin/commands/Words"
import * as Result from "effect/Result"

describe("Words", () => {
  const cases: ReadonlyArray<readonly [line: string, words: ReadonlyArray<string>]> = [
    ["", []],
    ["  \t\n ", []],
    ["node  server.js ", ["node", "server.js"]],
    ["a 'b c' \"d e\"", ["a", "b c", "d e"]],
    ["one'two'\"three\"four", ["onetwothreefour"]],
    ["'' \"\" a''", ["", "", "a"]],
    ["a\\ b \\' \\\\", ["a b", "'", "\\"]],
    ["'a\\b' '\"'", ["a\\b", "\""]],
    ["\"a\\\"b\" \"\\$x \\n\" \"'\"", ["a\"b", "$x \\n", "'"]],
    ["sh -c 'cat | grep \"x y\" > out'", ["sh", "-c", "cat | grep \"x y\" > out"]],
    ["$HOME ~/x *.js a&b; #c", ["$HOME", "~/x", "*.js", "a&b;", "#c"]],
    ["a 'two\nlines'", ["a", "two\nlines"]]
  ]
  it.each(cases)("splits %j", (line, words) => {
    assert.deepStrictEqual(Words.split(line), Result.succeed(words))
  })

  it.each([
    ["a 'b", "the quote ' is never closed"],
    ["a \"b 'c'", "the quote \" is never closed"],
    ["a \"b\\\"", "the quote \" is never closed"],
    ["a\\", "the backslash at its end escapes nothing"]
  ])("refuses %j", (line, problem) => {
    assert.deepStrictEqual(Words.split(line), Result.fail(problem))
  })
})

describe("ServerFlag", () => {
  it.each([
    ["node server.js", { command: "node", args: ["server.js"] }],
    ["fs=npx -y server .", { name: "fs", command: "npx", args: ["-y", "server", "."] }],
    ["my-fs_2='/opt/my server' x=y", { name: "my-fs_2", command: "/opt/my server", args: ["x=y"] }],
    ["./a=b c", { command: "./a=b", args: ["c"] }],
    ["env TOKEN=1 server", { command: "env", args: ["TOKEN=1", "server"] }]
  ])("reads %j", (value, config) => {
    assert.deepStrictEqual(ServerFlag.parse(value), Result.succeed(config))
  })

  it.each(["", "  ", "''"])("wants a command: %j", (value) => {
    assert.deepStrictEqual(ServerFlag.parse(value), Result.fail("there is no command"))
  })
})
