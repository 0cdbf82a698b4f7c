import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { basename, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { fixture, folder, root, run, runCell, server, start } from "./Process.ts"

const bin = (name: string) => join(root, "node_modules", ".bin", name)

const configFile = (config: unknown) =>
  Effect.map(folder, (folder) => {
    const path = join(folder, "mcp.json")
    writeFileSync(path, typeof config === "string" ? config : JSON.stringify(config))
    return path
  })

const scripted = fileURLToPath(new URL("../mcp/fixtures/scripted.js", import.meta.url))

const fake = { command: process.execPath, args: [fixture] }

/** A port that is free. */
const freePort = Effect.callback<string>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(String(port))))
  })
})

/** The server that has everything, on HTTP. */
const everything = Effect.gen(function*() {
  const port = yield* freePort
  const script = join(root, "node_modules/@modelcontextprotocol/server-everything/dist/index.js")
  const { child } = yield* start(process.execPath, [script, "streamableHttp"], { env: { ...process.env, PORT: port } })
  yield* Effect.callback<void>((resume) => {
    child.stderr.on("data", (text) => String(text).includes("listening") && resume(Effect.void))
  })
  return `http://127.0.0.1:${port}/mcp`
})

describe("--config", () => {
  it.live("starts the servers of a file beside those of --mcp", () =>
    Effect.gen(function*() {
      const path = yield* configFile({
        mcpServers: {
          one: { ...fake, env: { GREETING: "${WHO}, ${env:WHO}, ${NOBODY:-nobody}" } },
          two: { ...fake, type: "stdio", cwd: root },
          three: { command: "no-such-command", disabled: true }
        }
      })
      const { status, stderr, stdout } = yield* run(["run", "-", "--config", path, "--mcp", `four=${server()}`], {
        stdin: `
          text(JSON.parse((await tools.mcp__one__where()).content[0].text).greeting)
          text(JSON.parse((await tools.mcp__two__where()).content[0].text).cwd + "/")
          text((await tools.mcp__four__add({ a: 1, b: 2 })).structuredContent)
          text(ALL_TOOLS.some(({ name }) => name.includes("three")))
        `,
        env: { ...process.env, WHO: "you" }
      })
      assert.strictEqual(stdout, `you, you, nobody\n${root}\n{"sum":3}\nfalse\n`, stderr)
      assert.strictEqual(status, 0)
    }))

  it.live("reads a file as other clients have it", () =>
    Effect.gen(function*() {
      const path = yield* configFile(`{
        // of VS Code
        "servers": { "one": ${JSON.stringify({ type: "stdio", ...fake })}, "two": { "enabled": false, }, },
      }`)
      const { stdout } = yield* runCell(
        "text((await tools.mcp__one__add({ a: 1, b: 2 })).structuredContent)",
        "--config",
        path
      )
      assert.strictEqual(stdout, "{\"sum\":3}\n")
    }))

  it.live.each(
    [
      ["no JSON", "{", "it is not JSON: close brace expected in line 1, column 2"],
      ["no servers", {}, "it should look like {\"mcpServers\""],
      ["an unset variable", { mcpServers: { it: { command: "${NO_SUCH_VARIABLE}" } } }, "NO_SUCH_VARIABLE is not set"]
    ] as const
  )("refuses a file with %s", ([_, config, text]) =>
    Effect.gen(function*() {
      const path = yield* configFile(config)
      const { status, stderr } = yield* runCell("text(1)", "--config", path)
      assert.strictEqual(status, 2)
      assert.isTrue(stderr.startsWith(`effect-code-mode: --config ${path}: `), stderr)
      assert.include(stderr, text)
    }))

  it.live("refuses a file that is not there", () =>
    Effect.gen(function*() {
      const { status, stderr } = yield* runCell("text(1)", "--config", "/no/such.json")
      assert.strictEqual(status, 2)
      assert.strictEqual(stderr, "effect-code-mode: --config /no/such.json: there is no such file or folder\n")
    }))

  it.live("names all servers that cannot be used, or goes on without them", () =>
    Effect.gen(function*() {
      const path = yield* configFile({
        mcpServers: { good: fake, bad: { url: "http://127.0.0.1:1/mcp" }, ghost: { command: "no-such-command" } }
      })
      const refused = yield* runCell("text(1)", "--config", path)
      assert.strictEqual(refused.status, 2)
      assert.include(refused.stderr, "MCP server bad cannot be used: http://127.0.0.1:1/mcp")
      assert.include(refused.stderr, "MCP server ghost cannot be used: there is no command no-such-command")
      const { status, stderr, stdout } = yield* runCell("text(ALL_TOOLS.length > 0)", "--config", path, "--optional")
      assert.strictEqual(stdout, "true\n", stderr)
      assert.strictEqual(status, 0)
      assert.include(stderr, "MCP server bad cannot be used")
    }))

  it.live("waits for a server as long as it should", () =>
    Effect.gen(function*() {
      const { status, stderr } = yield* runCell(
        "text(1)",
        "--mcp",
        `slow=${server("--silent")}`,
        "--start-timeout",
        "500ms"
      )
      assert.strictEqual(stderr, "effect-code-mode: MCP server slow cannot be used: it was not ready within 500ms\n")
      assert.strictEqual(status, 2)
    }))

  it.live("tells servers which folder is theirs, where it is said", () =>
    Effect.gen(function*() {
      const home = yield* folder
      const script = {
        "tools/call": [
          "{\"jsonrpc\":\"2.0\",\"id\":\"s\",\"method\":\"roots/list\"}",
          { answer: true },
          "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"content\":[],\"answer\":$answer}}"
        ]
      }
      const path = yield* configFile({
        mcpServers: { it: { command: process.execPath, args: [scripted, JSON.stringify(script)] } }
      })
      const roots = (...more: ReadonlyArray<string>) =>
        run(["run", "-", "--config", path, ...more], {
          stdin: "text((await tools.mcp__it__do({})).answer.result?.roots ?? 'none')",
          cwd: home
        }).pipe(Effect.map(({ stdout }) => stdout.trim()))
      const name = basename(home)
      const uri = pathToFileURL(home).href
      assert.strictEqual(yield* roots(), "none")
      assert.deepStrictEqual(JSON.parse(yield* roots("--root")), [{ uri, name }])
      assert.deepStrictEqual(JSON.parse(yield* roots("--root=sub")), [{ uri: `${uri}/sub`, name: "sub" }])
    }))

  it.live("gives servers a short environment, or all of it", () =>
    Effect.gen(function*() {
      const greeting = (...more: ReadonlyArray<string>) =>
        run(["run", "-", "--mcp", `it=${server()}`, ...more], {
          stdin: "text(JSON.parse((await tools.mcp__it__where()).content[0].text).greeting ?? 'none')",
          env: { ...process.env, GREETING: "hello" }
        }).pipe(Effect.map(({ stdout }) => stdout))
      assert.strictEqual(yield* greeting(), "none\n")
      assert.strictEqual(yield* greeting("--inherit-env"), "hello\n")
    }))
})

describe("servers", () => {
  it.live.each(
    [
      [{ url: "localhost:3001" }, "localhost:3001 is not a URL of http or https"],
      [{ url: "nowhere" }, "nowhere is not a URL"],
      [{ command: join(root, "README.md") }, `${join(root, "README.md")} may not be run: is it executable?`],
      [{ command: "no-such-command" }, "there is no command no-such-command: is it installed, and in the PATH?"]
    ] as const
  )("that are %j cannot be used", ([config, text]) =>
    Effect.gen(function*() {
      const path = yield* configFile({ mcpServers: { it: config } })
      assert.deepStrictEqual(yield* runCell("text(1)", "--config", path), {
        status: 2,
        stdout: "",
        stderr: `effect-code-mode: MCP server it cannot be used: ${text}\n`
      })
    }))
})

describe("the official servers", () => {
  it.live("work together, over pipes and over HTTP", () =>
    Effect.gen(function*() {
      const url = yield* everything
      const home = yield* folder
      writeFileSync(join(home, "note.txt"), "remember the milk")
      const path = yield* configFile({
        mcpServers: {
          files: { command: bin("mcp-server-filesystem"), args: [home] },
          memory: { command: bin("mcp-server-memory"), env: { MEMORY_FILE_PATH: join(home, "memory.json") } },
          local: { command: bin("mcp-server-everything") },
          web: { type: "http", url, headers: { "X-Test": "1" } }
        }
      })
      const { status, stderr, stdout } = yield* runCell(
        `
          const note = (await tools.mcp__files__read_text_file({ path: ${JSON.stringify(join(home, "note.txt"))} }))
            .structuredContent.content
          await tools.mcp__memory__create_entities({
            entities: [{ name: "note", entityType: "text", observations: [note] }]
          })
          const { entities } = (await tools.mcp__memory__read_graph({})).structuredContent
          const echoes = await Promise.all(
            [tools.mcp__local__echo, tools.mcp__web__echo].map((echo) => echo({ message: entities[0].observations[0] }))
          )
          for (const { content } of echoes) text(content[0].text)
          const image = (await tools.mcp__web__get_tiny_image({})).content.find(({ type }) => type === "image")
          text(image.mimeType)
        `,
        "--config",
        path
      )
      assert.strictEqual(stdout, "Echo: remember the milk\nEcho: remember the milk\nimage/png\n", stderr)
      assert.strictEqual(status, 0)
      assert.include(readFileSync(join(home, "memory.json"), "utf8"), "remember the milk")
    }))
})

describe("--list-tools", () => {
  it.live("prints declarations that TypeScript takes", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* run([
        "run",
        "--list-tools",
        "--mcp",
        `fake=${server("--instructions", "Always say please.\n\nOr not.")}`,
        "--mcp",
        `fs=${bin("mcp-server-filesystem")} ${root}`
      ])
      assert.strictEqual(status, 0, stderr)
      assert.include(stdout, "\n  // Always say please.\n  // Or not.\n\n  /** Adds two numbers */\n")
      assert.include(stdout, "  /** Adds two numbers */\n  mcp__fake__add(args: { a?: number; b?: number; })")
      assert.include(stdout, ": Promise<CallToolResult<{ sum?: number; }>>;\n")
      assert.include(stdout, "  mcp__fake__say_it(args: { [key: string]: unknown; }): Promise<CallToolResult>;\n")
      const home = yield* folder
      writeFileSync(join(home, "tools.d.ts"), stdout)
      writeFileSync(
        join(home, "cell.ts"),
        `
          const { structuredContent } = await tools.mcp__fake__add({ a: 1 })
          export const sum: number | undefined = structuredContent?.sum
          text({ sum }), image("https://x/y.png", "low"), audio("data:audio/wav;base64,"), notify(1), yield_control()
          content((await tools.mcp__fs__read_text_file({ path: "x", head: 1 })).content)
          store("n", ALL_TOOLS.map(({ name }) => name))
          const n: string[] = load("n")
          for await (const { index, status } of as_settled([Promise.resolve(1)])) text(index + 1 + status)
          await stream_settled(new Map([["a", 1]]), (result) => {
            if (result.status === "fulfilled") text(result.index.length + result.value)
          })
          const timer = setTimeout(() => exit(), 10)
          clearTimeout(timer)
        `
      )
      const checked = spawnSync(
        bin("tsc"),
        ["--noEmit", "--strict", "--target", "esnext", "--module", "esnext", "--types", "", "cell.ts", "tools.d.ts"],
        { cwd: home, encoding: "utf8" }
      )
      assert.strictEqual(checked.status, 0, checked.stdout)
    }))

  it.live("prints a line for each tool, or one of them", () =>
    Effect.gen(function*() {
      const list = (wanted: string) => run(["run", `--list-tools=${wanted}`, "--mcp", `fake=${server()}`])
      const names = yield* list("names")
      assert.include(names.stdout, "mcp__fake__add  Adds two numbers\nmcp__fake__say_it  Says it\nmcp__fake__where\n")
      const one = yield* list("mcp__fake__where")
      assert.match(one.stdout, /^type Role[^]*\n\ndeclare const tools: \{\n {2}mcp__fake__where\(args: [^\n]*\n\};\n$/)
      const none = yield* list("where")
      assert.strictEqual(
        none.stderr,
        "effect-code-mode: there is no tool where; --list-tools=names shows their names\n"
      )
      assert.strictEqual(none.status, 2)
    }))

  it.live("has tools that find tools, where there are many", () =>
    Effect.gen(function*() {
      const many = ["a", "b", "c"].flatMap((name) => ["--mcp", `${name}=${server()}`])
      const { stderr, stdout } = yield* runCell(
        `
          const [first] = await tools.search("adds numbers", { limit: 1 })
          text((await tools.describe(first.name)).declaration)
          text(ALL_TOOLS.length)
        `,
        ...many
      )
      assert.match(stdout, /^mcp__[abc]__add\(args: \{ a\?: number; b\?: number; \}\)[^\n]*\n35\n$/, stderr)
    }))

  it.live("prints JSON for programs", () =>
    Effect.gen(function*() {
      const { stdout } = yield* run(["run", "--list-tools", "--json", "--mcp", `fake=${server()}`, "--allow", "*__add"])
      assert.deepStrictEqual(JSON.parse(stdout), {
        type: "tool",
        name: "mcp__fake__add",
        description: "Adds two numbers",
        declaration: "mcp__fake__add(args: { a?: number; b?: number; }): Promise<CallToolResult<{ sum?: number; }>>;"
      })
    }))

  it.live("says so where there are none", () =>
    Effect.gen(function*() {
      const { status, stderr } = yield* run(["run", "--list-tools"])
      assert.strictEqual(status, 2)
      assert.strictEqual(stderr, "effect-code-mode: there are no tools; --mcp and --config bring some\n")
      const denied = yield* run(["run", "--list-tools", "--mcp", server(), "--deny", "*"])
      assert.strictEqual(denied.status, 2)
      assert.strictEqual(denied.stderr, "effect-code-mode: --allow and --deny leave no tools\n")
    }))
})

describe("--allow and --deny", () => {
  it.live("choose tools", () =>
    Effect.gen(function*() {
      const { stdout } = yield* runCell(
        `
          text(ALL_TOOLS.map(({ name }) => name).join())
          text(typeof tools.mcp__fake__wait)
        `,
        "--mcp",
        `fake=${server()}`,
        "--allow",
        "*__{add,say_it}",
        "--allow",
        "mcp__fake__w*",
        "--deny",
        "*wait"
      )
      assert.strictEqual(stdout, "mcp__fake__add,mcp__fake__say_it,mcp__fake__where\nundefined\n")
    }))

  it.live.each(["--allow", "--deny"])("refuse a %s that matches nothing", (flag) =>
    Effect.gen(function*() {
      const { status, stderr } = yield* runCell("text(1)", "--mcp", `fake=${server()}`, flag, "*delete*")
      assert.strictEqual(status, 2)
      assert.strictEqual(
        stderr,
        `effect-code-mode: ${flag} '*delete*' matches no tool; --list-tools without it shows their names\n`
      )
    }))
})

describe("--tool-timeout", () => {
  it.live("ends the wait for a server that never answers", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* runCell(
        "await tools.mcp__fake__wait().catch(text); text((await tools.mcp__fake__add({ a: 1, b: 1 })).structuredContent)",
        "--mcp",
        `fake=${server()}`,
        "--tool-timeout",
        "1s"
      )
      assert.strictEqual(stdout, "mcp__fake__wait gave no answer within 1s\n{\"sum\":2}\n")
      assert.match(
        stderr,
        /^mcp__fake__wait {2}1\.\d s {2}failed: mcp__fake__wait gave no answer within 1s\n/
      )
      assert.strictEqual(status, 0)
    }))

  it.live("takes durations only", () =>
    Effect.gen(function*() {
      const { status, stderr } = yield* runCell("text(1)", "--tool-timeout", "soon")
      assert.strictEqual(status, 2)
      assert.include(stderr, "--tool-timeout 'soon': a duration looks like 500ms, 10s or 1.5m")
    }))
})
