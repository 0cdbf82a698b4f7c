/**
 * What others have written, on a terminal, on every path on which it gets there. The paths are read from the source.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { folder, root } from "./Process.ts"
import * as Terminal from "./Terminal.ts"

const { key } = Terminal

/** What would steer a terminal, hide something there, or come together when something else is taken away. */
const steering = "\u009b2J\u001b\u001b[0m]0;title\u0007\u001b[2J\u001b[8m\u009d0;c1\u009c\b\r\u007f" +
  "\u202e\u2066\u2028\u200b\u00ad\u{e0041}\u001b]52;c;eA==\u0007"

/** Such text, to be recognised. */
const evil = (name: string) => `${name}${steering}`

/** How it begins where it is shown. */
const shown = (name: string) => `${name}\\u009b2J`

/** What we draw ourselves, and what `node:readline` does. */
// oxlint-disable-next-line no-control-regex -- it is what this is about
const ours = /\x1b\[(?:\?7[lh]|0?J|\d*[AG]|[012]m|22m|3\dm)|\r(?=\x1b\[J)|\r+\n/g

const stray =
  // oxlint-disable-next-line no-control-regex -- it is what this is about
  /[\0-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffd\u{e0000}-\u{e007f}]/u

const command = `'${process.execPath}' '${root}bin/effect-code-mode.js'`

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`

interface Home {
  /** Writes a file of the folder, and gives its path. */
  readonly file: (name: string, content: unknown) => string
  readonly path: (name: string) => string
  /** A server that says these things, for `--mcp`. */
  readonly server: (spec: object) => string
}

const evilServer = fileURLToPath(new URL("fixtures/evil-server.js", import.meta.url))

const keptFixture = fileURLToPath(new URL("fixtures/kept.ts", import.meta.url))

const makeHome = Effect.map(folder, (folder): Home => {
  let count = 0
  const path = (name: string) => join(folder, name)
  const file = (name: string, content: unknown) => {
    writeFileSync(
      path(name),
      typeof content === "string" || Buffer.isBuffer(content) ? content : JSON.stringify(content)
    )
    return path(name)
  }
  return {
    file,
    path,
    server: (spec) => quote(`s='${process.execPath}' '${evilServer}' '${file(`server-${++count}.json`, spec)}'`)
  }
})

interface Case {
  /** What is seen of each path. Unless said otherwise, it is how evil text of that name is shown. */
  readonly paths: Readonly<Record<string, string | RegExp | undefined>>
  /** A shell script that ends. */
  readonly script: (home: Home) => string
  /** What is typed into it, or happens, each after the screen shows this. */
  readonly types?: ReadonlyArray<readonly [RegExp, string | ((home: Home) => void)]>
  readonly env?: (home: Home) => Readonly<Record<string, string>>
}

/** Something that is not a message of the wire. */
const frame = (text: string) => {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  return Buffer.concat([length, bytes])
}

const tool = (name: string, extra: object = {}) => ({ name, inputSchema: { type: "object" }, ...extra })

/** What node runs before the command, in its process. */
const preload = (home: Home, code: string) => ({
  NODE_OPTIONS: `--import=file://${
    home.file(
      "preload.mjs",
      `import fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
if (process.argv[1]?.endsWith("effect-code-mode.js")) { ${code} }`
    )
  }`
})

const cases: Readonly<Record<string, Case>> = {
  "a cell that puts out, notifies and fails": {
    paths: {
      "output": undefined,
      "notification": undefined,
      "media type": undefined,
      "file of media": undefined,
      "error of a cell": undefined,
      "file of a cell": undefined,
      "source before the mark": undefined,
      "source after the mark": undefined
    },
    script: ({ file, path }) => {
      const media = evil("media type")
      const literal = (text: string) => JSON.stringify(text)
      const cell = file(
        evil("file of a cell"),
        [
          `text(${literal(evil("output"))})`,
          `notify(${literal(evil("notification"))})`,
          `image("data:" + ${literal(media)})`,
          `image("data:" + ${literal(media)} + ";base64,AAAA")`,
          `const why = ${literal(evil("error of a cell"))}`,
          // The excerpt has a hundred characters.
          `/*source before the mark\u009b2J\u202e\x1b[2J*/ throw new Error(why) // source after the mark\u009b2J\u202e`
        ].join("\n")
      )
      return `${command} run ${quote(cell)} --save-media ${quote(path(evil("file of media")))}`
    }
  },
  "a cell that is checked, and has mistakes": {
    paths: { "mistake in a cell": undefined },
    script: ({ file, server }) => {
      const name = JSON.stringify(evil("mistake in a cell"))
      const spec = {
        tools: [tool("a", { inputSchema: { type: "object", properties: { b: {} }, additionalProperties: false } })]
      }
      return `${command} run ${file("cell.js", `await tools.mcp__s__a({ ${name}: 1 })`)} --check --mcp ${server(spec)}`
    }
  },
  "a compiler that does not start": {
    paths: { "failure of a check": undefined, "what does not work": undefined },
    env: (home) =>
      preload(
        home,
        `const processes = (await import("node:child_process")).default
        const { spawn } = processes
        processes.spawn = (command, args, ...rest) => {
          if (args.includes("--api")) {
            throw new Error(${JSON.stringify(evil("failure of a check"))} + ${
          JSON.stringify(evil("what does not work"))
        })
          }
          return spawn(command, args, ...rest)
        }
        syncBuiltinESMExports()`
      ),
    script: ({ file }) => `${command} run --check ${file("cell.js", "text(1)")}; ${command} doctor`
  },
  "an image that is not saved": {
    paths: { "media type": undefined },
    script: ({ file }) =>
      `${command} run ${file("cell.js", `image("data:" + ${JSON.stringify(evil("media type"))} + ",")`)}`
  },
  "events": {
    paths: { "event": undefined },
    script: ({ file }) => `${command} run ${file("cell.js", `text(${JSON.stringify(evil("event"))})`)} --json`
  },
  "a cell that is not there": {
    paths: { "file of a cell": undefined, "working folder": undefined },
    script: ({ path }) => {
      mkdirSync(path(evil("working folder")))
      return `cd ${quote(path(evil("working folder")))}; ${command} run ${quote(evil("file of a cell"))}`
    }
  },
  "a cell that cannot be read": {
    paths: { "file of a cell": undefined },
    script: ({ path }) => {
      mkdirSync(path(evil("file of a cell")))
      return `${command} run ${quote(path(evil("file of a cell")))}`
    }
  },
  "tool calls": {
    paths: { "error of a tool": undefined, "name of a tool": "name_of_a_tool_2J" },
    script: ({ file, server }) => {
      const call = "for (const name of Object.keys(tools)) await tools[name]({})"
      const spec = {
        tools: [tool(evil("name of a tool"))],
        result: { isError: true, content: [{ type: "text", text: evil("error of a tool") }] }
      }
      return `${command} run ${file("cell.js", call)} --mcp ${server(spec)}`
    }
  },
  "tool calls that take long": {
    paths: {
      "argument of a tool": undefined,
      "progress of a tool": undefined,
      "log of a server": undefined,
      "server whose tools change": undefined
    },
    script: ({ file }) => {
      const message = (method: string, params: object) => ({
        jsonrpc: "2.0",
        method: `notifications/${method}`,
        params
      })
      const servers = {
        [evil("server whose tools change")]: [
          message("tools/list_changed", {}),
          message("progress", { progressToken: "TOKEN", progress: 1, message: evil("progress of a tool") })
        ],
        [evil("another server")]: [message("message", { level: "info", data: evil("log of a server") })]
      }
      const mcpServers = Object.fromEntries(
        Object.entries(servers).map(([name, said], index) => [name, {
          command: process.execPath,
          args: [evilServer, file(`says-${index}.json`, { tools: [tool("wait")], said, result: "never" })]
        }])
      )
      const call = `for (const name of Object.keys(tools)) tools[name](${
        JSON.stringify({ path: evil("argument of a tool") })
      })`
      const cell = file("cell.js", `${call}; await new Promise((resolve) => setTimeout(resolve, 1e6))`)
      return `${command} run ${cell} --config ${file("mcp.json", { mcpServers })}`
    },
    types: [[/(?=[^]*server whose tools change)(?=[^]*progress of a tool)(?=[^]*log of a server)/, key.ctrlC]]
  },
  "what a server asks": {
    paths: {
      "server that asks": undefined,
      "question of a server": undefined,
      "value that is asked for": undefined,
      "value that is proposed": "value that is proposed",
      "choices of a question": undefined,
      "facts of a question": undefined
    },
    script: ({ file }) => {
      const properties = {
        choice: {
          type: "string",
          title: evil("value that is asked for"),
          enum: [evil("choices of a question"), evil("value that is proposed")],
          default: evil("value that is proposed")
        },
        length: { type: "number", format: evil("facts of a question") }
      }
      const said = [{
        jsonrpc: "2.0",
        id: "s",
        method: "elicitation/create",
        params: { message: evil("question of a server"), requestedSchema: { type: "object", properties } }
      }]
      const mcpServers = {
        [evil("server that asks")]: {
          command: process.execPath,
          args: [evilServer, file("asks.json", { tools: [tool("ask")], said, result: "never" })]
        }
      }
      const cell = file("cell.js", "for (const name of Object.keys(tools)) await tools[name]({}).catch(text)")
      return `${command} run ${cell} --config ${file("mcp.json", { mcpServers })}`
    },
    types: [
      [/Answer: ?$/, `y${key.enter}`],
      [/value that is asked for[^\n]*$/, `nonsense${key.enter}`],
      [/one of these[^]*value that is asked for[^\n]*$/, key.enter],
      [/length[^\n]*$/, `nonsense${key.enter}`],
      [/a number[^]*length[^\n]*$/, key.ctrlC]
    ]
  },
  "what waits for an approval": {
    paths: { "call that waits for an approval": undefined },
    script: ({ file, server }) => {
      const argument = JSON.stringify({ path: evil("call that waits for an approval") })
      const cell = file("cell.js", `for (const name of Object.keys(tools)) await tools[name](${argument})`)
      return `${command} run ${cell} --approve --mcp ${
        server({ tools: [tool(evil("a tool"), { description: evil("described") })] })
      }`
    },
    types: [[/Allow it\? ?$/, `perhaps${key.enter}`], [/should be y[^]*Allow it\? ?$/, `n${key.enter}`]]
  },
  "a list of tools": {
    paths: {
      "declarations": undefined,
      "declaration file": "type ImageDetail",
      "name in a list": "mcp__s__declarations_",
      "summary of a tool": /mcp__s__declarations_\w+ {2}declarations\\u009b2J/,
      "tool that is asked for": undefined
    },
    script: ({ server }) => {
      const text = evil("declarations")
      const spec = {
        tools: [
          tool(text, {
            description: text,
            inputSchema: {
              type: "object",
              properties: { [text]: { type: "string", description: text }, choice: { enum: [text] } }
            }
          })
        ]
      }
      return [
        `${command} run --list-tools`,
        `${command} run --list-tools=names`,
        `${command} run --list-tools=${quote(evil("tool that is asked for"))}`,
        `${command} run --list-tools --json`,
        `echo .tools | ${command} repl`
      ].map((start) => `${start} --mcp ${server(spec)}`).join("\n")
    }
  },
  "servers that start": {
    paths: { "server that starts": undefined },
    script: ({ file }) => {
      const config = file("mcp.json", {
        mcpServers: {
          [evil("server that starts")]: {
            command: process.execPath,
            args: [evilServer, file("silent.json", { silent: true })]
          }
        }
      })
      return `${command} run - --config ${config} < /dev/null`
    },
    types: [[/starting/, key.ctrlC]]
  },
  "servers that do not start": {
    paths: { "server or engine": undefined },
    script: ({ file, server }) => {
      const name = evil("server or engine")
      const config = (name: string, entry: object) =>
        `--config ${file(`${name}.json`, { mcpServers: { [evil("server or engine")]: entry } })}`
      return [
        `--mcp ${server({ initialize: name })}`,
        `--mcp ${server({ lastWords: name })}`,
        `--mcp ${quote(`'${name}'`)}`,
        config("command", { command: name }),
        config("url", { url: name }),
        config("folder", { command: "true", cwd: name })
      ].map((flags) => `${command} run --list-tools ${flags}`).join("\n")
    }
  },
  "usage": {
    paths: { "wrong usage": undefined, "name of a command": "Try effect-code-mode run --help" },
    script: () => {
      const text = quote(evil("wrong usage"))
      return [
        text,
        `run a.js --${text}`,
        `run a.js --yield-after ${text}`,
        `run a.js --mcp ${quote(`"${evil("wrong usage")}`)}`,
        `run a.js ${text}`,
        `run a.js --log-level ${text}`,
        `--completions ${text}`
      ].map((args) => `${command} ${args}`).join("\n")
    }
  },
  "files of servers": {
    paths: {
      "config file": undefined,
      "error in JSON": "it is not JSON: ",
      "problem in a config file": undefined
    },
    script: ({ file, path }) => {
      const problem = evil("problem in a config file")
      const entry = (value: unknown) => ({ mcpServers: { [problem]: value } })
      const cell = file("cell.js", "")
      return [
        path(evil("config file")),
        file("json", `${evil("error in JSON")}`),
        file("shape", { mcpServers: problem }),
        file("server", entry(null)),
        file("fields", entry({ command: "x", args: problem })),
        file("keys", entry({ command: "x", env: { [problem]: {} } })),
        file("input", entry({ command: `\${input:${problem}}` })),
        file("type", entry({ type: problem })),
        file("envFile", entry({ command: "x", envFile: problem })),
        file("variable", entry({ command: "${VARIABLE_THAT_IS_NOT_SET}" }))
      ].map((file) => `${command} run ${cell} --config ${quote(file)}`).join("\n")
    }
  },
  "sessions": {
    paths: { "session file that is read": undefined, "session file that is written": undefined },
    script: ({ file, path, server }) => {
      const gone = path(evil("session file that is written"))
      mkdirSync(gone)
      const damaged = file(evil("session file that is read"), evil("session file that is read"))
      const cell = file("cell.js", "await tools.mcp__s__a({}); store('a', 1)")
      return [
        `${command} run ${cell} --session ${quote(damaged)}`,
        `${command} run ${cell} --session ${quote(join(gone, "session.json"))} --mcp ${
          server({ tools: [tool("a")], remove: gone })
        }`
      ].join("\n")
    }
  },
  "folders and globs": {
    paths: { "folder for media": undefined, "error of a file": "file already exists", "glob": undefined },
    script: ({ file, server }) => {
      const media = file(evil("folder for media"), "")
      const cell = file("cell.js", "")
      return [
        `${command} run ${cell} --save-media ${quote(media)}`,
        `${command} run ${cell} --allow ${quote(evil("glob"))} --mcp ${server({ tools: [tool("a")] })}`
      ].join("\n")
    }
  },
  "the prompt": {
    paths: {
      "error of a cell at the prompt": undefined,
      "typed at the prompt": "\\u009b2Jtyped\\u202e",
      "typed ahead": "\\u2066ahead",
      "unknown command": "there is no command .nonsense",
      "tool that is asked for at the prompt": "there is no tool sum; did you mean",
      "tool that may be meant at the prompt": "did you mean mcp__s__sum?"
    },
    env: ({ file, path }) => {
      mkdirSync(path("effect-code-mode"))
      file("effect-code-mode/history", `'${steering}old'\n`)
      return { XDG_STATE_HOME: path("") }
    },
    script: ({ server }) => `${command} repl --mcp ${server({ tools: [tool(`sum`)] })}`,
    types: [
      [/\n>$/, `throw ${JSON.stringify(evil("error of a cell at the prompt"))}\r`],
      [/\u2028[^]*\n>$|u2028[^]*\n>$/, "'\u009b2Jtyped\u202e\u{e0041}'\r"],
      [/typed[^]*\n>$/, "await new Promise((resolve) => setTimeout(resolve, 100)); text('slow')\r'\u2066ahead'\r"],
      [/slow[^]*ahead[^]*\n>$/, ".nonsense\r"],
      [/no command[^]*\n>$/, ".tools sum\r"],
      [/did you mean[^]*\n>$/, key.up.repeat(7)],
      [/u001b\]52[^\n]*old'$/, key.ctrlC],
      [/\n> \n>$/, key.ctrlD]
    ]
  },
  "a cell that is too long for the prompt": {
    paths: { "cell that is refused": "the source is longer than" },
    script: ({ file }) => `${command} repl < ${file("long", `// ${"x".repeat(2 ** 20)}\n`)}`
  },
  "the log": {
    paths: { "log": undefined },
    env: (home) =>
      preload(
        home,
        `fs.fstatSync = () => { throw new Error(${JSON.stringify(evil("log"))}) }
        syncBuiltinESMExports()`
      ),
    script: () => `${command} run -`
  },
  "what the log has of servers": {
    paths: { "log": /WARN/ },
    script: ({ server }) => {
      const spec = { tools: [tool(`a${steering}`), tool(`a${steering}`, { description: "another" })] }
      return `${command} run --list-tools --mcp ${server(spec)}`
    }
  },
  "what the parser of the command line prints": {
    paths: { "console": "--save-media" },
    script: () => `${command} run --help; ${command} --version; ${command} --completions bash`
  },
  "doctor, in a strange place": {
    paths: {
      "path of node": undefined,
      "what does not work": "path of node",
      "version of node": process.version,
      "our version": "effect-code-mode 0."
    },
    env: (home) => preload(home, `process.execPath = ${JSON.stringify(evil("path of node"))}`),
    script: () => `${command} doctor`
  },
  "doctor": {
    paths: {
      "version of V8": undefined,
      "version of isolated-vm": /isolated-vm \d/,
      "user of a lane": /a user of its own|as its host/
    },
    env: (home) =>
      preload(
        home,
        `Object.defineProperty(process.versions, "v8", { value: ${JSON.stringify(evil("version of V8"))} })`
      ),
    script: () => `${command} doctor`
  },
  "what node says": {
    paths: { "uncaught exception": undefined, "warning of node": undefined },
    env: (home) =>
      preload(
        home,
        `setTimeout(() => {
          process.emitWarning(${JSON.stringify(evil("warning of node"))})
          setTimeout(() => { throw new Error(${JSON.stringify(evil("uncaught exception"))}) }, 100)
        }, 500)`
      ),
    script: () => `${command} run -`
  },
  "the host": {
    paths: {
      "address of the host": undefined,
      "error of the host": undefined,
      "help of the host": "Usage: code-mode-host"
    },
    script: ({ path }) =>
      [
        "--help",
        `--listen ${quote(evil("error of the host"))}`,
        `--${quote(evil("error of the host"))}`,
        `--max-lanes ${quote(evil("error of the host"))}`,
        `--log-level ${quote(evil("error of the host"))}`,
        `--listen ${quote(`unix://${path("none")}/${evil("error of the host")}/x`)}`,
        `--listen ${quote(`unix://${path("address of the host\u009b2J\u001b[2J\u202e")}`)}`
      ].map((args) => `${command} host ${args}`).join("\n"),
    types: [[/unix:\/\/[^`]*u009b/, key.ctrlC]]
  },
  "the inspector": {
    paths: {
      "address of the inspector": "inspector: http://127.0.0.1:",
      "address of a page": undefined,
      "what has a page": undefined,
      "folder of what has a page": undefined
    },
    env: ({ file, path }) => {
      mkdirSync(path("effect-code-mode"), { mode: 0o700 })
      file("effect-code-mode/1.json", {
        pid: process.ppid,
        title: evil("what has a page"),
        folder: evil("folder of what has a page"),
        address: evil("address of a page")
      })
      return { XDG_RUNTIME_DIR: path("") }
    },
    script: () =>
      `${command} inspect; EFFECT_CODE_MODE_INSPECT_TOKEN=${quote(steering)} ${command} mcp --inspect 0 < /dev/null`
  },
  "the MCP server": {
    paths: {
      "address of the server": "listening at http://127.0.0.1:",
      "address to listen at": undefined,
      "error of the server": undefined
    },
    script: () =>
      [
        `${command} mcp --http 0 --host ${quote(evil("address to listen at"))}`,
        `EFFECT_CODE_MODE_TOKEN=x ${command} mcp --http 0 --host ${quote(evil("error of the server"))}`,
        `${command} mcp --http 0`
      ].join("\n"),
    types: [[/listening at/, key.ctrlC]]
  },
  "what is told to others": {
    paths: {
      "address of metrics": "metrics at http://127.0.0.1:",
      "address of a host's metrics": "code-mode-host: metrics at http://127.0.0.1:",
      "what cannot be exported": "effect-code-mode: --otlp: SchemaError",
      "trace that is written": undefined
    },
    script: ({ path }) =>
      [
        `echo 'text(1)' | ${command} run - --trace ${quote(join(path(evil("trace that is written")), "x"))}`,
        `${command} run - --metrics 0 < /dev/null`,
        `${command} host --metrics 0 < /dev/null`,
        `${command} run - --otlp ${quote(evil("wrong usage"))}`,
        `${command} host --otlp ${quote(evil("error of the host"))}`,
        `OTEL_BSP_SCHEDULE_DELAY=${quote(evil("a variable"))} ${command} run - --otlp http://127.0.0.1:1`
      ].join("\n")
  },
  "sessions that are kept": {
    paths: {
      "name of a session": undefined,
      "owner of a session": undefined,
      "source of a cell that is kept": undefined,
      "tool of a cell that is kept": undefined,
      "error of a cell that is kept": undefined,
      "key of a value that is kept": undefined,
      "session that is not there": undefined,
      "session that is encrypted": shown("sealed"),
      "session that is not deleted": shown("name of a session"),
      "owner of a session that is not deleted": shown("owner of a session"),
      "session that is taken": shown("name of a session"),
      "owner of a session that is taken": shown("owner of a session"),
      "session that has no live cells": shown("over"),
      "store that keeps a cell": undefined,
      "store that is not there": undefined,
      "file of keys": undefined,
      "error of a store": undefined
    },
    script: ({ file, path }) => {
      const texts = {
        session: evil("name of a session"),
        owner: evil("owner of a session"),
        source: evil("source of a cell that is kept"),
        tool: evil("tool of a cell that is kept"),
        error: evil("error of a cell that is kept"),
        key: evil("key of a value that is kept")
      }
      const store = path("store.db")
      const session = quote(texts.session)
      return [
        `'${process.execPath}' '${keptFixture}' ${store} ${quote(JSON.stringify(texts))}`,
        ...[
          `show ${session} --store ${store}`,
          `show ${quote(evil("sealed"))} --store ${store}`,
          `resume ${session} --store ${store}`,
          `resume ${quote(evil("over"))} --store ${store}`,
          `delete ${session} --store ${store}`,
          `show ${quote(evil("session that is not there"))} --store ${store}`,
          `list --store ${quote(path(evil("store that is not there")))}`,
          `list --store ${store} --store-keys ${quote(path(evil("file of keys")))}`,
          `list --store ${quote(file(evil("error of a store"), "no store ".repeat(999)))}`
        ].map((args) => `${command} sessions ${args}`),
        `${command} run ${
          file("cell.js", "await new Promise((resolve) => setTimeout(resolve, 60_000))")
        } --once --yield-after 1ms --durable ${quote(path(evil("store that keeps a cell")))}`
      ].join("\n")
    }
  },
  "a client of the host": {
    paths: { "error of the host": shown("x"), "log": undefined },
    script: ({ file, path }) =>
      [
        `host < ${file("frame", frame(evil("x")))} > /dev/null`,
        `host --listen unix://${path("socket")}`
      ].map((args) => `${command} ${args}`).join("\n"),
    types: [
      [/\nunix:/, ({ path }) => void connect(path("socket")).on("error", () => {}).end(frame(evil("log")))],
      [/a client was disconnected/, key.ctrlC]
    ]
  }
}

const sourcesOf = (pattern: string) =>
  globSync(pattern, { cwd: root }).map((path) => ({ path, source: readFileSync(join(root, path), "utf8") }))

const sources = sourcesOf("src/bin/**/*.ts")

/** Every place where foreign text becomes printable, with its name. */
const places = sources.flatMap(({ path, source }) =>
  Array.from(source.matchAll(/\bforeign(?:\(\s*(?:"(?<name>[^"]*)")?| = )/g), ({ 0: text, groups }) => ({
    path,
    text,
    name: groups?.name
  }))
).filter(({ path, text }) => !(path === "src/bin/terminal/Printable.ts" && text === "foreign = "))

describe("the paths of foreign text", () => {
  it("have names, each its own", () => {
    assert.deepStrictEqual(places.filter(({ name }) => name === undefined), [])
    const names = places.map(({ name }) => name)
    assert.deepStrictEqual(names.filter((name, index) => names.indexOf(name) !== index), [])
  })

  it("are all tried below", () => {
    const tried = Object.values(cases).flatMap(({ paths }) => Object.keys(paths))
    assert.deepStrictEqual(places.map(({ name }) => name!).sort(), Array.from(new Set(tried)).sort())
  })

  it("are the only ones: one module writes, besides the one that knows its own version", () => {
    const found = (sources: ReturnType<typeof sourcesOf>, pattern: RegExp) =>
      sources.filter(({ source }) => pattern.test(source.replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, ""))).map(({ path }) =>
        path
      )
    assert.deepStrictEqual(
      found(sources, /\bstdout\b|\bstderr\b|\bconsole\b|Console\b|_rawDebug|\/dev\/(?:tty|std)|writeSync/),
      ["src/bin/Version.ts", "src/bin/terminal/Printer.ts"]
    )
    assert.deepStrictEqual(
      found(sourcesOf("src/**/*.ts"), /process\.std(?:out|err)|effect\/Console|_rawDebug/),
      ["src/bin/Version.ts", "src/bin/terminal/Printer.ts"]
    )
  })
})

const escapeRegExp = (text: string) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")

/** Some cases start many commands. */
const patience = "1 minute"
const timeout = 90_000

describe.runIf(Terminal.isAvailable)("a terminal", () => {
  const check = Effect.fnUntraced(function*({ env, paths, script, types = [] }: Case, home: Home) {
    const terminal = yield* Terminal.make(`{\n${script(home)}\n}`, {
      columns: 1000,
      rows: 200,
      env: env?.(home) ?? {}
    })
    for (const [pattern, keys] of types) {
      yield* terminal.until(pattern, patience)
      yield* typeof keys === "string" ? terminal.type(keys) : Effect.sync(() => keys(home))
    }
    yield* terminal.until(/status \d+$/, patience)
    const written = terminal.written()
    const rest = written.replace(ours, "\n")
    const at = stray.exec(rest)?.index
    assert.strictEqual(at === undefined ? "" : JSON.stringify(rest.slice(Math.max(0, at - 200), at + 40)), "")
    for (const [name, pattern] of Object.entries(paths)) {
      assert.match(
        written,
        pattern instanceof RegExp ? pattern : new RegExp(escapeRegExp(pattern ?? shown(name))),
        name
      )
    }
  })

  for (const [name, each] of Object.entries(cases)) {
    it.live(`cannot be steered by ${name}`, () => Effect.flatMap(makeHome, (home) => check(each, home)), timeout)
  }

  it.live("cannot be steered by what an HTTP server answers", () =>
    Effect.gen(function*() {
      const text = evil("server or engine")
      const server = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer((_, response) => response.writeHead(500, "No").end(text))
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
      yield* check({
        paths: { "server or engine": undefined },
        script: () => `${command} run --list-tools --mcp s=${url}`
      }, yield* makeHome)
    }))
})
