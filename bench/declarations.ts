/**
 * Declarations of the tools of published servers: ours beside those of two other packages.
 *
 * `npm run bench:declarations`. The others are installed into a folder of their own for the time of the run.
 * Tokens are those of `o200k_base`. Of each tool: the name, the description and the schemas, as its server lists them.
 * Information is counted as pieces of the input schemas that can be found in the tool's declaration.
 */
import * as Declarations from "effect-code-mode/Declarations"
import * as Mcp from "effect-code-mode/Mcp"
import type { ToolDefinition } from "effect-code-mode/Protocol"
import * as Effect from "effect/Effect"
import { execFileSync, spawnSync } from "node:child_process"
import { globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createRequire, registerHooks } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { tools as corpus } from "../test/mcp/corpus/Corpus.ts"
import { countTokens } from "./Tokenizer.ts"

const cloudflare = "@cloudflare/codemode"
const utcp = "@utcp/code-mode"
const packages = [`${cloudflare}@0.5.6`, `${utcp}@1.2.12`]

const folder = mkdtempSync(join(tmpdir(), "effect-code-mode-"))
process.on("exit", () => rmSync(folder, { recursive: true }))
execFileSync("npm", ["install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", ...packages], {
  stdio: ["ignore", "ignore", "inherit"]
})
const requireThere = createRequire(join(folder, "package.json"))

// =============================================================================
// The sides
// =============================================================================

interface Side {
  readonly name: string
  /** What every file of declarations begins with. */
  readonly head: string
  readonly declaration: (tool: ToolDefinition) => string
  /** One file of the declarations of many tools. */
  readonly file: (declarations: ReadonlyArray<string>) => string
}

const servers = Map.groupBy(corpus, ({ server }) => server)
const { tools } = await Effect.runPromise(
  Mcp.make(Array.from(servers, ([name, tools]): Mcp.Server => ({ name, tools, callTool: () => Effect.succeed(null) })))
)

const ours: Side = {
  name: "effect-code-mode",
  head: Declarations.mcpTypes,
  declaration: (tool) => `/** ${tool.description.replaceAll("*/", "* /")} */\n${Declarations.ofTool(tool)}`,
  file: (declarations) => `declare const tools: {\n${declarations.join("\n")}\n}`
}

/** The output schema of a tool as its server has it, without what every result has. */
const structured = ({ outputSchema }: ToolDefinition): any => (outputSchema as any)?.properties?.structuredContent

const importChunk = async () => {
  const [chunk] = globSync(join(folder, "node_modules", cloudflare, "dist/json-schema-types-*.js"))
  const exports = Object.values(await import(chunk!)) as ReadonlyArray<Function>
  return exports.find(({ name }) => name === "generateTypesFromJsonSchema")!
}

const generate = await importChunk()
const theirs: Side = {
  name: cloudflare,
  head: "",
  declaration: ({ description, inputSchema, name, ...tool }) =>
    generate({
      [name]: { description, inputSchema, outputSchema: structured({ inputSchema, name, ...tool } as ToolDefinition) }
    }),
  file: (declarations) =>
    declarations.map((text, i) => text.replace("declare const codemode", `declare const codemode${i}`)).join("\n")
}

// It needs a server and an engine to run; to declare, it needs neither.
const stub = join(folder, "stub.cjs")
writeFileSync(stub, "exports.UtcpClient = class {}; exports.ToolSchema = {}")
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === "isolated-vm" || specifier.startsWith("@utcp/sdk")
      ? { url: pathToFileURL(stub).href, format: "commonjs", shortCircuit: true }
      : next(specifier, context)
})
const { CodeModeUtcpClient } = requireThere(utcp)
const client = Object.assign(Object.create(CodeModeUtcpClient.prototype), { toolFunctionCache: new Map() })
const others: Side = {
  name: utcp,
  head: "",
  declaration: (tool) =>
    client.toolToTypeScriptInterface({
      name: tool.name,
      description: tool.description,
      tags: [],
      inputs: tool.inputSchema ?? {},
      outputs: structured(tool) ?? {}
    }),
  file: (declarations) => declarations.join("\n")
}

// =============================================================================
// Measures
// =============================================================================

/** What a schema says: names of members, their descriptions, values, defaults. */
const pieces = (
  schema: any,
  found: Array<readonly [string, string]> = [],
  depth = 0
): ReadonlyArray<readonly [string, string]> => {
  if (typeof schema !== "object" || schema === null || depth > 20) {
    return found
  }
  for (const [name, property] of Object.entries<any>(schema.properties ?? {})) {
    found.push(["names", name])
    if (typeof property === "object" && property !== null) {
      if (typeof property.description === "string") {
        found.push(["descriptions", property.description.split("\n")[0].trim().slice(0, 40)])
      }
      for (const value of property.enum ?? []) {
        found.push(["values", JSON.stringify(value)])
      }
      if (property.default !== undefined && property.default !== null && JSON.stringify(property.default).length < 60) {
        found.push(["defaults", `default ${JSON.stringify(property.default)}`])
      }
    }
    pieces(property, found, depth + 1)
  }
  for (const key of ["items", "additionalProperties", "anyOf", "oneOf", "allOf"]) {
    for (const part of [schema[key]].flat()) {
      pieces(part, found, depth + 1)
    }
  }
  return found
}

const has = (text: string, [kind, piece]: readonly [string, string]) =>
  kind === "defaults"
    ? text.includes(piece) || text.includes(`@default ${piece.slice(8)}`) || text.includes(`Default: ${piece.slice(8)}`)
    : text.includes(piece)

const errors = (text: string): number => {
  writeFileSync(join(folder, "file.ts"), text)
  const tsc = join(import.meta.dirname, "../node_modules/.bin/tsc")
  const { stdout } = spawnSync(
    tsc,
    ["--noEmit", "--strict", "--target", "esnext", "--module", "esnext", "--types", "", "file.ts"],
    { cwd: folder, encoding: "utf8", maxBuffer: 1e9 }
  )
  return stdout.split("\n").filter((line) => /error TS/.test(line)).length
}

const kinds = ["names", "descriptions", "values", "defaults"]

const measure = ({ declaration, file, head, name }: Side) => {
  let failed = 0
  const declarations = tools.map((tool) => {
    try {
      return declaration(tool)
    } catch {
      failed++
      return ""
    }
  })
  const kept = kinds.map((kind) => {
    const counts = tools.map(({ inputSchema }, index) => {
      const wanted = pieces(inputSchema).filter(([each]) => each === kind)
      return [wanted.length, wanted.filter((piece) => has(declarations[index]!, piece)).length] as const
    })
    const sum = (at: 0 | 1) => counts.reduce((total, each) => total + each[at], 0)
    return `${(100 * sum(1) / sum(0)).toFixed(1)} %`
  })
  // Each server by itself: one text that is broken may break what comes after it.
  const broken = Array.from(servers.keys()).reduce((total, server) => {
    const own = declarations.filter((_, index) => corpus[index]!.server === server)
    return total + errors(`${head}\n${file(own)}`)
  }, 0)
  return [
    name,
    declarations.reduce((total, text) => total + countTokens(text), countTokens(head)),
    broken + failed,
    ...kept
  ]
}

const rows = [ours, theirs, others].map(measure)
console.log(`${tools.length} tools of ${servers.size} servers`)
console.log(`| | tokens | errors of tsc --strict | ${kinds.join(" | ")} |`)
console.log(`| --- |${" --- |".repeat(kinds.length + 2)}`)
for (const row of rows) {
  console.log(`| ${row.map((cell) => typeof cell === "number" ? cell.toLocaleString("en") : cell).join(" | ")} |`)
}
