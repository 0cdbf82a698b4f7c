/** Every block of code in the documents is type-checked, decoded, or has commands and flags that there are. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Declarations from "effect-code-mode/Declarations"
import * as Config from "effect-code-mode/mcp/Config"
import * as Message from "effect-code-mode/wire/Message"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { execFile } from "node:child_process"
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"

const root = join(import.meta.dirname, "..")
const read = (path: string) => readFileSync(join(root, path), "utf8")
const run = promisify(execFile)

interface Block {
  readonly language: string
  readonly code: string
  /** Where it is, for people. */
  readonly at: string
}

/** A block in a list is indented. */
const blocksOf = (page: string): ReadonlyArray<Block> => {
  const text = read(page)
  return Array.from(text.matchAll(/^( *)```(\S*)\n([^]*?)^\1```$/gm), ({ 1: indent, 2: language, 3: code, index }) => ({
    language: language!,
    code: code!.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
    at: `${page}:${text.slice(0, index).split("\n").length}`
  }))
}

const blocks = globSync("{*.md,docs/*.md}", { cwd: root }).flatMap(blocksOf)
const of = (...languages: ReadonlyArray<string>) => blocks.filter(({ language }) => languages.includes(language))

describe("blocks of code", () => {
  it("are of a language that is looked at here, or are pictures and output", () => {
    const known = new Set(["ts", "js", "json", "toml", "sh", "console", "text", "python", ""])
    assert.deepStrictEqual(blocks.filter(({ language }) => !known.has(language)), [])
    assert.isAbove(blocks.length, 60)
  })
})

// =============================================================================
// TypeScript and JavaScript
// =============================================================================

/** What other tests compile and run. */
const examples = globSync("examples/**/*.ts", { cwd: root }).map(read)

const isCell = (code: string) => !/^import /m.test(code)

/** Cells see their helpers, and tools of any name. */
const globals = `${Declarations.cellTypes}\ndeclare const tools: Record<string, (argument?: any) => Promise<any>>\n`

const compile = async (folder: string, codes: ReadonlyArray<Block>, lib: boolean) => {
  if (codes.length === 0) {
    return ""
  }
  mkdirSync(folder, { recursive: true })
  for (const [index, { at, code }] of codes.entries()) {
    writeFileSync(join(folder, `${index}.ts`), `// ${at}\n${code}\nexport {}\n`)
  }
  const compilerOptions = {
    module: "nodenext",
    target: "es2024",
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    erasableSyntaxOnly: true,
    lib: ["es2024"],
    types: lib ? ["node"] : [],
    typeRoots: [join(root, "node_modules/@types")],
    ...(lib
      ? { paths: { "effect-code-mode": ["../../../src/index.ts"], "effect-code-mode/*": ["../../../src/*.ts"] } }
      : {})
  }
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }))
  const compiler = join(root, "node_modules/typescript/bin/tsc")
  const { stdout } = await run(process.execPath, [compiler, "-p", folder, "--pretty", "false"], { cwd: root }).catch(
    ({ stdout }: { readonly stdout: string }) => ({ stdout })
  )
  return stdout
}

describe("TypeScript and JavaScript", () => {
  const folder = join(root, ".tsbuild/blocks")
  const rest = of("ts", "js").filter(({ code }) => !examples.some((example) => example.includes(code)))

  it("compile, unless they are a part of an example that does", async () => {
    rmSync(folder, { recursive: true, force: true })
    const cells = rest.filter(({ code }) => isCell(code))
    const programs = rest.filter(({ code }) => !isCell(code))
    assert.isAbove(cells.length, 1)
    mkdirSync(join(folder, "cells"), { recursive: true })
    writeFileSync(join(folder, "cells/globals.d.ts"), globals)
    assert.deepStrictEqual(
      await Promise.all([
        compile(join(folder, "cells"), cells, false),
        compile(join(folder, "programs"), programs, true)
      ]),
      ["", ""]
    )
  })
})

// =============================================================================
// Configurations and messages
// =============================================================================

describe("JSON", () => {
  it.effect("of servers is a configuration", () =>
    Effect.gen(function*() {
      const found = of("json").filter(({ code }) => code.includes("mcpServers"))
      assert.isAbove(found.length, 3)
      yield* Effect.forEach(found, ({ at, code }) => Config.decode(code, at))
    }).pipe(Effect.provide(NodeServices.layer)))

  it("of the wire is what a host takes", () => {
    const request = (request: unknown) =>
      JSON.stringify({
        type: "operation/request",
        id: 1,
        request: { method: "session/execute", sessionId: "s", request }
      })
    const bodies = of("json").filter(({ code }) => code.includes("tool_call_id")).map(({ code }) =>
      request(JSON.parse(code))
    )
    const messages = blocks.filter(({ at }) => at.startsWith("docs/wire.md")).flatMap(({ code }) =>
      code.replaceAll(/\n {5}/g, "").split("\n").filter((line) => line.startsWith("→ ")).map((line) => line.slice(2))
    )
    assert.isAbove(messages.length, 2)
    const wrong = [...bodies, ...messages].map(Message.decodeClientMessage).filter(Result.isFailure)
    assert.deepStrictEqual(wrong, [])
  })

  it("of the wire is what a host says", () => {
    const event = { Yielded: { cell_id: "1", content_items: [] } }
    const told = blocks.filter(({ at, language }) => at.startsWith("docs/wire.md") && language === "").flatMap((
      { code }
    ) =>
      code.replaceAll(/\n {5}/g, "").replaceAll("[…]", "[]").replace(":ID", ":1").replace(
        ":EVENT",
        `:${JSON.stringify(event)}`
      ).split("\n").filter((line) => /^(?:← )?\{/.test(line))
    )
    const messages = told.filter((line) => line.startsWith("← ")).map((line) => line.slice(2))
    const events = told.filter((line) => line.startsWith("{"))
    assert.isAbove(messages.length, 3)
    assert.isAbove(events.length, 2)
    const strictly = { onExcessProperty: "error" } as const
    const isMessage = Message.decodeText(Schema.decodeUnknownResult(Message.HostMessage, strictly))
    const isEvent = Message.decodeText(Schema.decodeUnknownResult(Message.CellResponse, strictly))
    assert.deepStrictEqual(messages.filter((message) => Result.isFailure(isMessage(message))), [])
    assert.deepStrictEqual(events.filter((event) => Result.isFailure(isEvent(event))), [])
  })

  it("is JSON", () => {
    of("json").forEach(({ code }) => JSON.parse(code))
  })
})

describe("TOML", () => {
  it("is tables, with values as JSON has them", () => {
    for (const { at, code } of of("toml")) {
      for (const line of code.trim().split("\n").filter((line) => line !== "")) {
        const [, value] = /^\w+ = (.*?)(?: +#.*)?$/.exec(line) ?? []
        assert.isTrue(value === undefined ? /^\[[\w.]+\]$/.test(line) : JSON.parse(value) !== undefined, at)
      }
    }
  })
})

// =============================================================================
// Commands
// =============================================================================

/** The words of the commands of a line, as a shell would see them; good enough for what is in documents. */
const commandsOf = (line: string): ReadonlyArray<ReadonlyArray<string>> => {
  const commands: Array<Array<string>> = [[]]
  for (const [word] of line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"|;&#<>]|(?<=\S)#)+|[|;&]+|\d?>&?\s*\S+|<\(?|#.*/g)) {
    if (/^[|;&]|^<\(/.test(word)) {
      commands.push([])
    } else if (word.startsWith("#")) {
      break
    } else if (!/^[\d<>]*[<>]/.test(word)) {
      commands.at(-1)!.push(word.replaceAll(/['"]/g, ""))
    }
  }
  return commands.filter((words) => words.length > 0)
}

const lines = ({ code, language }: Block): ReadonlyArray<string> => {
  const whole = code.replaceAll(/\\\n/g, " ").replaceAll(/\|\n\s+/g, "| ").split("\n")
  return language === "sh"
    ? whole.filter((line) => line !== "" && !line.startsWith("#"))
    : whole.filter((line) => line.startsWith("$ ")).map((line) => line.slice(2))
}

const { scripts }: { readonly scripts: Record<string, string> } = JSON.parse(read("package.json"))

const helps = new Map<string, Promise<string>>()

/** What a command of ours says of itself. */
const help = (bin: string, ...words: ReadonlyArray<string>): Promise<string> => {
  const key = [bin, ...words].join(" ")
  const found = helps.get(key) ?? run(process.execPath, [join(root, "bin", `${bin}.js`), ...words, "--help"]).then(
    ({ stdout }) => stdout
  )
  helps.set(key, found)
  return found
}

const flags = (words: ReadonlyArray<string>) =>
  words.filter((word) => /^--\w/.test(word)).map((word) => word.split("=")[0]!)

const missingFlags = async (words: ReadonlyArray<string>, text: Promise<string>) => {
  const told = new Set((await text).match(/--[\w-]+/g))
  return flags(words).filter((flag) => !told.has(flag)).map((flag) => `${flag} is no flag of ${words.join(" ")}`)
}

/** Whether a command has a command of this name below it. */
const hasCommand = async (path: ReadonlyArray<string>, name: string) =>
  /^[a-z]/.test(name) &&
  (await help("effect-code-mode", ...path)).split("SUBCOMMANDS")[1]?.includes(`\n  ${name} `) === true

const isOther = new Set(["echo", "cat", "source", "exec", "psql", "docker", "open", "curl", "export", "mkdir", "cd"])

/** What is wrong with a command. */
const wrongs = async (words: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const [name = "", first = "", ...rest] = words
  if (/^\w+=/.test(name) || name === "exec") {
    return wrongs(words.slice(1))
  }
  switch (name) {
    case "npx":
      return ["effect-code-mode", "code-mode-host"].includes(first) ? wrongs(words.slice(1)) : []
    case "code-mode-host":
      return missingFlags(words.slice(1), help("code-mode-host"))
    case "effect-code-mode": {
      if (first === "host") {
        return missingFlags(rest, help("code-mode-host"))
      }
      const isCommand = first !== "" && !first.startsWith("-")
      if (isCommand && !(await hasCommand([], first))) {
        return [`${first} is no command`]
      }
      const path = isCommand ? [first, ...(await hasCommand([first], rest[0] ?? "-") ? [rest[0]!] : [])] : []
      return missingFlags(words.slice(1), help("effect-code-mode", ...path))
    }
    case "npm":
      return first === "run" || first === "start" || first === "test"
        ? (first === "run" ? rest[0]! : first) in scripts ? [] : [`npm has no script ${rest[0]}`]
        : ["ci", "install"].includes(first)
        ? []
        : [`npm ${first}?`]
    case "node":
    case "python3":
      return globSync([first, `examples/**/${first}`], { cwd: root }).length > 0 ? [] : [`there is no ${first}`]
    default:
      return isOther.has(name) ? [] : [`${name} is unknown`]
  }
}

describe("commands", () => {
  it("are there, with their flags", async () => {
    const commands = of("sh", "console").flatMap((block) =>
      lines(block).flatMap(commandsOf).map((words) => ({ at: block.at, words }))
    )
    assert.isAbove(commands.length, 40)
    const found = await Promise.all(
      commands.map(async ({ at, words }) => (await wrongs(words)).map((wrong) => `${at}: ${wrong}`))
    )
    assert.deepStrictEqual(found.flat(), [])
  })

  it("in the text are scripts that there are", () => {
    const named = globSync("{*.md,docs/*.md}", { cwd: root }).flatMap((page) =>
      Array.from(read(page).matchAll(/`npm run ([\w:-]+)/g), ([, script]) => ({ page, script: script! }))
    )
    assert.isAbove(named.length, 10)
    assert.deepStrictEqual(named.filter(({ script }) => !(script in scripts)), [])
  })
})

// =============================================================================
// Output
// =============================================================================

// Of the blocks that are `text` or nothing, docs.test.ts compares those that an example prints, architecture.test.ts reads the
// house, and the rest are drawings and a screen, whose times are different each time.
describe("output", () => {
  const linesOf = (page: string, beginning: string) => {
    const found = blocks.find(({ at, code }) => at.startsWith(page) && code.startsWith(beginning))
    return found === undefined
      ? assert.fail(`${page} shows nothing that begins with ${beginning}`)
      : found.code.trimEnd().split("\n")
  }

  it("of an engine's log has the words of what confines lanes", () => {
    const [line = ""] = linesOf("docs/security.md", "code mode lanes: ")
    const words = read("src/isolate/Confinement.ts")
    const levels = line.slice("code mode lanes: ".length).split(", ")
    assert.deepStrictEqual(levels.filter((level) => !words.includes(`"${level}"`)), [])
    assert.include(read("src/V8.ts"), "`code mode lanes: ")
  })

  it("that is a timeline is of the form that those have", () => {
    const [title = "", ...bars] = linesOf("docs/observability.md", "cell that ")
    assert.match(title, new RegExp(`^cell that (?:completed|failed|was ended): [\\d.]+ m?s, ${bars.length} calls$`))
    for (const bar of bars) {
      assert.match(bar, /^\w+ *  \|[ .=]+\|  [\d.]+ m?s(?: failed| stopped| not made)?$/)
    }
    assert.strictEqual(new Set(bars.map((bar) => bar.lastIndexOf("|"))).size, 1)
  })
})
