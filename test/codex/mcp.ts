/**
 * Runs the unmodified Codex CLI with our MCP server, over standard input and output and over HTTP, and looks at what the
 * model behind it is told: a part of `npm run test:codex`. Linux on x64 only, as the package it fetches.
 */
import { deepStrictEqual, match } from "node:assert"
import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import * as Codex from "./Codex.ts"
import type { Told, Turn } from "./Model.ts"
import * as Package from "./Package.ts"

const root = join(import.meta.dirname, "../..")
const everything = join(root, "node_modules/@modelcontextprotocol/server-everything/dist/index.js")

const command = [
  process.execPath,
  join(root, "bin/effect-code-mode.js"),
  "mcp",
  "--mcp",
  `everything='${process.execPath}' '${everything}'`
]

const call = (tool: string, input: object): Turn => ({ namespace: "mcp__tools", tool, input })
const exec = (source: string) => call("exec", { source })

const turns: ReadonlyArray<Turn> = [
  exec("text((await tools.mcp__everything__get_sum({ a: 40, b: 2 })).content[0].text); store('n', 41)"),
  exec("text(load('n') + 1)"),
  exec("content(await tools.mcp__everything__get_tiny_image({}))"),
  exec("notify('on its way'); text('kept'); throw new Error('the model sees this')"),
  exec("text('before'); yield_control(); await new Promise((resolve) => setTimeout(resolve, 300)); text('after')"),
  call("wait", { cell_id: "$cell" }),
  exec("// @exec: {\"yield_time_ms\": 200}\nwhile (true) {}"),
  call("wait", { cell_id: "$cell", terminate: true }),
  call("search", { query: "add two numbers", limit: 1 }),
  { tool: "read_mcp_resource", input: { server: "tools", uri: "demo://resource/dynamic/text/7" } }
]

/** What a call has put out: texts, and the types of what is no text. */
const outputOf = ({ output }: Told): string =>
  typeof output === "string"
    ? output
    : (output as ReadonlyArray<{ readonly type: string; readonly text?: string }>)
      .map(({ text, type }) => text ?? `[${type}]`).join("\n")

const wanted: ReadonlyArray<RegExp> = [
  /Script completed\n.*\nOutput:\n.*42/,
  /Script completed\n.*\nOutput:\n42/,
  /\[input_image\]/,
  /Script failed\n[^]*kept\nScript error:\nError: the model sees this/,
  /Script running with cell ID \w+\n.*\nOutput:\nbefore/,
  /Script completed\n.*\nOutput:\nafter/,
  /Script running with cell ID/,
  /Script terminated/,
  /mcp__everything__get_sum\(args: \{/,
  /Resource 7/
]

/** Where a server over HTTP says that it is. */
const listening = (child: ChildProcess) =>
  new Promise<URL>((resolve) =>
    child.stderr!.on("data", (text) => {
      const found = /listening at (\S+)/.exec(String(text))
      if (found !== null) resolve(new URL(found[1]!))
    })
  )

const check = async (way: string, server: ReadonlyArray<string> | URL) => {
  const told = await Codex.runWithServer(Package.folder(), server, turns)
  deepStrictEqual(told.length, turns.length)
  told.forEach((each, index) => match(outputOf(each), wanted[index]!))
  console.log(`Codex uses the MCP server ${way}: ${turns.length} turns`)
}

await check("at standard input and output", command)

const child = spawn(command[0]!, [...command.slice(1), "--http", "0"], { stdio: ["ignore", "ignore", "pipe"] })
try {
  await check("over HTTP", await listening(child))
} finally {
  child.kill()
}
