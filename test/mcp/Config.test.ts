import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect-code-mode/mcp/Config"
import * as Effect from "effect/Effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { homedir, tmpdir } from "node:os"
import { join } from "node:path"

/** A folder for a test, with a variable in the environment. */
const workspace = Effect.acquireRelease(
  Effect.sync(() => {
    process.env.CONFIG_TEST_TOKEN = "s3cret"
    process.env.CONFIG_TEST_EMPTY = ""
    return mkdtempSync(join(tmpdir(), "effect-code-mode-"))
  }),
  (folder) =>
    Effect.sync(() => {
      delete process.env.CONFIG_TEST_TOKEN
      delete process.env.CONFIG_TEST_EMPTY
      rmSync(folder, { recursive: true })
    })
)

const decode = (source: unknown, file = "mcp.json") =>
  Effect.gen(function*() {
    const folder = yield* workspace
    const servers = yield* Config.decode(
      typeof source === "string" ? source : JSON.stringify(source),
      join(folder, file)
    ).pipe(Effect.provide(NodeServices.layer))
    return JSON.parse(JSON.stringify(servers).replaceAll(folder, "FOLDER"))
  })

const refusal = (source: unknown) => Effect.flip(decode(source))

const one = (entry: object) => ({ mcpServers: { s: entry } })

const plain = { name: "s", command: "node", args: ["x.js"], env: {} }

describe("a file", () => {
  const entry = { command: "node", args: ["x.js"] }
  const files: ReadonlyArray<readonly [string, unknown]> = [
    ["plain", one(entry)],
    [
      "with comments",
      "{\n // mine\n \"mcpServers\": {\"s\": {\"command\": \"node\", /* why */ \"args\": [\"x.js\"]}}}"
    ],
    ["with trailing commas", "{\"mcpServers\": {\"s\": {\"command\": \"node\", \"args\": [\"x.js\",],},},}"],
    ["with a byte order mark", `\uFEFF${JSON.stringify(one(entry))}`],
    ["of VS Code", { servers: { s: { type: "stdio", ...entry } }, inputs: [] }],
    ["of VS Code's settings", { mcp: { servers: { s: { type: "stdio", ...entry } } } }],
    ["of OpenCode", { mcp: { s: { type: "local", command: ["node", "x.js"], enabled: true } } }],
    ["of Zed", { context_servers: { s: { command: { path: "node", args: ["x.js"], env: null } } } }],
    ["with a server that is called servers", { mcpServers: { s: entry, servers: { disabled: true, ...entry } } }],
    [
      "with what means nothing here",
      one({ ...entry, alwaysAllow: ["a"], trust: true, icon: "x", env: null, cwd: null })
    ]
  ]
  it.live.each(files)("%s is read", ([_, source]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* decode(source), [plain])
    }))

  const refused: ReadonlyArray<readonly [unknown, string]> = [
    ["", "it is empty"],
    [" \n", "it is empty"],
    ["{\"mcpServers\": {\n  \"s\": }", "it is not JSON: value expected in line 2, column 8"],
    ["[]", "it should look like {\"mcpServers\": {\"NAME\": {\"command\": \"…\"}}}"],
    [{}, "it should look like {\"mcpServers\": {\"NAME\": {\"command\": \"…\"}}}"],
    [{ mcpServers: { s: "npx" } }, "server s: it should be an object, with a \"command\" or a \"url\""],
    [one({ args: [] }), "server s: it has neither a \"command\" nor a \"url\""],
    [one({ command: "x", args: "y" }), "server s: args should be a list, and is \"y\""],
    [one({ command: "x", args: [{}] }), "server s: args[0] should be text, and is {}"],
    [one({ command: "x", env: [] }), "server s: env should be an object, and is []"],
    [one({ command: "x", env: { A: ["b"] } }), "server s: env.A should be text, and is [\"b\"]"],
    [one({ type: "http" }), "server s: it has no \"url\""],
    [
      one({ type: "pigeon", url: "http://x" }),
      "server s: its type \"pigeon\" is not known: it may be stdio, local, http, remote, streamable-http, streamableHttp, " +
      "streamable_http, sse"
    ],
    [one({ command: "x", timeout: "soon" }), "server s: timeout should be a number of milliseconds, and is \"soon\""],
    [one({ command: "x", tools: "all" }), "server s: the list of tools should be a list, and is \"all\""],
    [one({ command: "${NO_SUCH_VARIABLE}" }), "server s: the environment variable NO_SUCH_VARIABLE is not set"],
    [one({ command: "${env:NO_SUCH_VARIABLE}" }), "server s: the environment variable NO_SUCH_VARIABLE is not set"],
    [
      one({ command: "x", env: { T: "${input:token}" } }),
      "server s: it asks for the input token, which cannot be asked for here: take ${token} and an environment variable"
    ],
    [one({ command: "${command:pick}" }), "server s: ${command:pick} has no meaning here"],
    [one({ command: "x", envFile: "no.env" }), "server s: its envFile no.env cannot be read: there is no such file"]
  ]
  it.live.each(refused)("%j is refused", ([source, text]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* refusal(source), text)
    }))
})

describe("an entry", () => {
  const entries: ReadonlyArray<readonly [object, object]> = [
    [
      { command: "x", env: { PORT: 3000, DEBUG: true, NONE: null } },
      { command: "x", args: [], env: { PORT: "3000", DEBUG: "true" } }
    ],
    [{ command: "x", environment: { A: "1" }, cwd: "/y" }, { command: "x", args: [], env: { A: "1" }, cwd: "/y" }],
    [{ transport: "stdio", command: "x" }, { command: "x", args: [], env: {} }],
    [{ url: "http://x/mcp" }, { url: "http://x/mcp" }],
    [{ serverUrl: "http://x/mcp" }, { url: "http://x/mcp" }],
    [{ httpUrl: "http://x/mcp", headers: { A: 1 } }, { url: "http://x/mcp", headers: { A: "1" } }],
    [{ type: "remote", url: "http://x", requestInit: { headers: { A: "b" } } }, {
      url: "http://x",
      headers: { A: "b" }
    }],
    [{ type: "sse", url: "http://x/sse" }, { url: "http://x/sse" }],
    [{ type: "stdio", command: "x", url: "http://x" }, { command: "x", args: [], env: {} }],
    [{ url: "http://x", timeout: 60 }, { url: "http://x", timeout: 60_000 }],
    [{ url: "http://x", timeout: 5000 }, { url: "http://x", timeout: 5000 }],
    [{ url: "http://x", tools: ["*"], excludeTools: ["rm*"] }, {
      url: "http://x",
      allowTools: ["*"],
      denyTools: ["rm*"]
    }],
    [{ url: "http://x", includeTools: ["a"], optional: true }, { url: "http://x", allowTools: ["a"], optional: true }]
  ]
  it.live.each(entries)("%j", ([entry, config]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* decode(one(entry)), [{ name: "s", ...config }])
    }))

  it.live("that is not to be used is left out, whatever else it says", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* decode({
          mcpServers: { a: { disabled: true }, b: { enabled: false, command: 1 }, s: { command: "x" } }
        }),
        [{ name: "s", command: "x", args: [], env: {} }]
      )
    }))
})

describe("a variable", () => {
  const values: ReadonlyArray<readonly [string, string, boolean]> = [
    ["Bearer ${CONFIG_TEST_TOKEN}", "Bearer s3cret", true],
    ["${env:CONFIG_TEST_TOKEN}", "s3cret", true],
    ["{env:CONFIG_TEST_TOKEN}", "s3cret", true],
    ["${CONFIG_TEST_TOKEN:-x}", "s3cret", true],
    ["${env:CONFIG_TEST_TOKEN:-x}", "s3cret", true],
    ["${NO_SUCH_VARIABLE:-x:y}", "x:y", false],
    ["${env:NO_SUCH_VARIABLE:-}", "", false],
    ["${CONFIG_TEST_EMPTY:-x}", "", true],
    ["${HOME}", process.env.HOME!, false],
    ["${userHome}", homedir(), false],
    ["${workspaceFolder}/x", "FOLDER/x", false],
    ["pa$${x", "pa$${x", false],
    ["$HOME ${} {a}", "$HOME ${} {a}", false]
  ]
  it.live.each(values)("%s", ([text, value, isSecret]) =>
    Effect.gen(function*() {
      const [server] = yield* decode(one({ command: "x", env: { A: text } }))
      assert.strictEqual(server.env.A, value)
      assert.strictEqual(server.secrets !== undefined, isSecret)
    }))

  it.live("may stand in a command, its arguments, an address and headers", () =>
    Effect.gen(function*() {
      const token = "${CONFIG_TEST_TOKEN}"
      assert.deepStrictEqual(
        yield* decode({
          mcpServers: {
            a: { command: token, args: [token], cwd: token },
            b: { url: `http://x/${token}`, headers: { A: token } }
          }
        }),
        [
          { name: "a", command: "s3cret", args: ["s3cret"], env: {}, cwd: "s3cret", secrets: ["s3cret"] },
          { name: "b", url: "http://x/s3cret", headers: { A: "s3cret" }, secrets: ["s3cret"] }
        ]
      )
    }))

  it.live("may come from a file, and the entry's own are on top", () =>
    Effect.gen(function*() {
      const folder = yield* workspace
      mkdirSync(join(folder, ".vscode"))
      writeFileSync(join(folder, ".env"), "A=1\nB='two words' # why\n")
      const servers = yield* Config.decode(
        JSON.stringify({ servers: { s: { command: "x", envFile: "${workspaceFolder}/.env", env: { A: "3" } } } }),
        join(folder, ".vscode/mcp.json")
      ).pipe(Effect.provide(NodeServices.layer))
      assert.deepStrictEqual(servers, [
        { name: "s", command: "x", args: [], env: { A: "3", B: "two words" }, secrets: ["1", "two words"] }
      ])
    }))
})
