/**
 * Whatever a command is given, it says what is wrong with it, with status 2, or deals with it. It never hangs.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { spawnSync } from "node:child_process"
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { folder, root, run, runCell, start, startCommand } from "./Process.ts"

/** A file in a folder of its own. */
const fileOf = (content: string | Uint8Array) =>
  Effect.map(folder, (folder) => {
    const path = join(folder, "file")
    writeFileSync(path, content)
    return path
  })

/** A file of zeros that takes no room. */
const sparse = (size: number) => Effect.tap(fileOf(""), (path) => Effect.sync(() => truncateSync(path, size)))

const pipe = Effect.map(folder, (folder) => {
  const path = join(folder, "pipe")
  spawnSync("mkfifo", [path])
  return path
})

/** The other end of a pipe, as soon as somebody reads it. */
const writeEnd = (path: string) =>
  Effect.try(() => openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)).pipe(
    Effect.retry({ schedule: Schedule.spaced("10 millis") }),
    Effect.timeout("40 seconds")
  )

const writeTo = (path: string, text: string) =>
  Effect.map(writeEnd(path), (end) => {
    writeFileSync(end, text)
    closeSync(end)
  })

const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)

const session = (value: string) => `{"version":1,"storedValues":{"a":${value}}}`

const server = (entry: string) => `{"mcpServers":{"it":{${entry}}}}`

/** Runs a cell that is fine, with a flag that is not. */
const refuses = Effect.fnUntraced(function*(flag: string, path: string, text: string) {
  const { status, stderr, stdout } = yield* runCell("text(1)", flag, path)
  assert.deepStrictEqual({ status, stdout, stderr }, {
    status: 2,
    stdout: "",
    stderr: `effect-code-mode: ${flag} ${path}: ${text}\n`
  })
})

const refusesCell = Effect.fnUntraced(function*(path: string, text: string) {
  assert.deepStrictEqual(yield* run(["run", path]), {
    status: 2,
    stdout: "",
    stderr: `effect-code-mode: cannot read ${path}: ${text}\n`
  })
})

const damaged = "this is no session file, or a damaged one; move it away to begin a new session"
const tooDeep = damaged.replace(";", " (it is nested deeper than 129 levels);")

describe("--session refuses", () => {
  it.live.each(
    [
      ["JSON that is nested 100,000 deep", session(nested(100_000)), tooDeep],
      ["a value that no cell could store", session(nested(128)), tooDeep],
      ["what is not UTF-8", Buffer.from([0x22, 0xff, 0x22]), "it is not UTF-8 text"]
    ] as const
  )("%s", ([_, content, text]) =>
    Effect.gen(function*() {
      const path = yield* fileOf(content)
      yield* refuses("--session", path, text)
      assert.deepStrictEqual(readFileSync(path), Buffer.from(content))
    }))

  it.live("what is not a file", () =>
    Effect.gen(function*() {
      yield* refuses("--session", yield* pipe, "it is a pipe, and no file")
      yield* refuses("--session", "/dev/null", "it is not a file")
      yield* refuses("--session", yield* sparse(3e9), "it is larger than 256 MiB")
    }))

  it.live("nothing that a cell can store", () =>
    Effect.gen(function*() {
      // As deep as can be, and so wide that with indentation it would be longer than a string can be.
      const cell = `
        let value = Array.from({ length: 2_500_000 }, () => 1)
        for (let depth = 1; depth < 126; depth++) value = [value]
        if (load("a") === undefined) store("a", value)
        else text("kept")
      `
      const path = join(yield* folder, "x".repeat(250))
      assert.deepStrictEqual(yield* runCell(cell, "--session", path), { status: 0, stdout: "", stderr: "" })
      assert.deepStrictEqual(yield* runCell(cell, "--session", path), { status: 0, stdout: "kept\n", stderr: "" })
    }))
})

describe("--config refuses", () => {
  it.live.each(
    [
      [
        "JSON that is nested 100,000 deep",
        server(`"command":"x","args":${nested(100_000)}`),
        "it is nested deeper than 127 levels"
      ],
      ["what is not UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), "it is not UTF-8 text"]
    ] as const
  )("%s", ([_, content, text]) => Effect.flatMap(fileOf(content), (path) => refuses("--config", path, text)))

  it.live.each(
    [
      ["a command", "\"command\":\"a\\u0000b\""],
      ["an argument", "\"command\":\"true\",\"args\":[\"\\u0000\"]"],
      ["the name of a variable", "\"command\":\"true\",\"env\":{\"A\\u0000\":\"b\"}"],
      ["a folder", "\"command\":\"true\",\"cwd\":\"/tmp\\u0000\""]
    ] as const
  )("NUL in %s", ([_, entry]) =>
    Effect.gen(function*() {
      const { status, stderr } = yield* runCell("text(1)", "--config", yield* fileOf(server(entry)))
      assert.strictEqual(status, 2)
      assert.match(stderr, /^effect-code-mode: MCP server it cannot be used: [^\n]* has a null character\n$/)
    }))

  it.live("what is not a file, or too large", () =>
    Effect.gen(function*() {
      yield* refuses("--config", "/dev/zero", "it is not a file")
      yield* refuses("--config", yield* sparse(3e9), "it is larger than 16 MiB")
    }))
})

describe("a cell", () => {
  it.live("is not a file without end, and no other thing", () =>
    Effect.gen(function*() {
      yield* refusesCell("/dev/zero", "it is not a file")
      yield* refusesCell(yield* sparse(3e9), "it is larger than 1 MiB")
      yield* refusesCell(yield* sparse(600e6), "it is larger than 1 MiB")
      yield* refusesCell(yield* fileOf(Buffer.from("text(\"\xff\")", "latin1")), "it is not UTF-8 text")
    }))

  it.live.each(
    [
      ["without end", "yes |", "it is larger than 1 MiB"],
      ["a folder", "< /", "it is a folder"],
      ["no UTF-8", "printf '\\377' |", "it is not UTF-8 text"]
    ] as const
  )("on standard input is not %s", ([_, from, text]) =>
    Effect.gen(function*() {
      const command = `'${process.execPath}' '${root}bin/effect-code-mode.js' run -`
      const { result } = yield* start("sh", ["-c", from.endsWith("|") ? `${from} ${command}` : `${command} ${from}`])
      assert.deepStrictEqual(yield* result, {
        status: 2,
        stdout: "",
        stderr: `effect-code-mode: cannot read <stdin>: ${text}\n`
      })
    }))

  it.live("and a config file may come by a pipe", () =>
    Effect.gen(function*() {
      const cell = yield* pipe
      const config = yield* pipe
      const { result } = yield* startCommand(["run", cell, "--config", config])
      yield* writeTo(cell, "text(6 * 7)")
      yield* writeTo(config, "{\"mcpServers\":{}}")
      assert.deepStrictEqual(yield* result, { status: 0, stdout: "42\n", stderr: "" })
    }))

  it.live("is waited for at a pipe until a signal comes", () =>
    Effect.gen(function*() {
      const path = yield* pipe
      const { child, result } = yield* startCommand(["run", path])
      // Nobody can open it to write before it is open to read.
      const end = yield* writeEnd(path)
      child.kill("SIGTERM")
      assert.strictEqual((yield* result).status, 130)
      closeSync(end)
    }))

  it.live("runs in a folder that is there", () =>
    Effect.gen(function*() {
      const gone = join(yield* folder, "gone")
      mkdirSync(gone)
      const { result } = yield* start("sh", [
        "-c",
        `rmdir ../gone; '${process.execPath}' '${root}bin/effect-code-mode.js' run a.js`
      ], { cwd: gone })
      assert.deepStrictEqual(yield* result, {
        status: 2,
        stdout: "",
        stderr: "effect-code-mode: the working folder is gone\n"
      })
    }))
})

describe("--save-media", () => {
  it.live("gives files short names, and names of media alone", () =>
    Effect.gen(function*() {
      const media = yield* folder
      const { status, stderr } = yield* runCell(
        `
          image("data:image/../../../../x;base64,AAAA")
          image("data:text/html,<script>alert(1)</script>")
          image("data:application/x-sh;base64,AAAA")
          image("data:image/" + "a".repeat(300) + ";base64,AAAA")
          image("data:image/x-icon;base64,AAAA")
          audio("data:" + "a".repeat(1_000_000) + ",")
        `,
        "--save-media",
        media
      )
      assert.deepStrictEqual({ status, stderr }, { status: 0, stderr: "" })
      assert.deepStrictEqual(readdirSync(media).sort(), [
        "audio-6.bin",
        "image-1.bin",
        "image-2.bin",
        "image-3.bin",
        `image-4.${"a".repeat(16)}`,
        "image-5.bin"
      ])
    }))
})
