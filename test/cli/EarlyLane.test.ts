import { assert, describe, it } from "@effect/vitest"
import * as EarlyLane from "effect-code-mode/bin/EarlyLane"

describe("a lane that starts before its command is loaded", () => {
  it.each([
    [["-"], true],
    [["cell.js", "--mcp", "fs=server --help", "--json"], true],
    [["--help"], false],
    [["cell.js", "-h"], false],
    [["--version"], false],
    [["--completions", "bash"], false],
    [["--list-tools", "--config", "mcp.json"], false],
    [["--config", "mcp.json", "--list-tools=names"], false]
  ])("of the words %j: %s", (words, isNeeded) => {
    assert.strictEqual(EarlyLane.isNeeded(words), isNeeded)
  })
})
