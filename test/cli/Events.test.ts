import { assert, describe, it } from "@effect/vitest"
import * as Event from "effect-code-mode/bin/report/Event"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { folder, root, run, runCell, server, startCommand } from "./Process.ts"

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Event.Event), { onExcessProperty: "error" })

/** The events of an output, without what differs from run to run. */
const events = (stdout: string) =>
  stdout.trimEnd().split("\n").map((line) => {
    const event = decode(line)
    return {
      ...event,
      ...("cellId" in event ? { cellId: "ID" } : {}),
      ...("millis" in event ? { millis: 0 } : {})
    }
  })

describe("--json", () => {
  it.live("tells everything in events", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* runCell(
        `
          text("one")
          await tools.mcp__fake__add({ a: 1, b: 2 })
          await tools.mcp__fake__complain()
          await tools.mcp__fake__refuse({}).catch(() => {})
          notify("soon")
          image("data:image/png;base64,AAAA")
          nope()
        `,
        "--json",
        "--mcp",
        `fake=${server()}`
      )
      const call = (toolCallId: string, name: string, result: object, input?: object) => [
        { type: "toolCall", toolCallId, tool: `mcp__fake__${name}`, ...(input === undefined ? {} : { input }) },
        { type: "toolResult", toolCallId, tool: `mcp__fake__${name}`, millis: 0, ...result }
      ]
      const seen = events(stdout)
      const ended = seen.pop()
      // Calls and output come by different ways.
      const by = (type: RegExp) => seen.filter((event) => type.test(event.type))
      assert.deepStrictEqual(
        by(/^(started|output)$/),
        [
          { type: "started", cellId: "ID" },
          { type: "output", item: { type: "input_text", text: "one" } },
          { type: "output", item: { type: "input_image", image_url: "data:image/png;base64,AAAA", detail: "high" } }
        ] as ReadonlyArray<unknown> as typeof seen
      )
      assert.deepStrictEqual(
        by(/^(tool|notification)/) as ReadonlyArray<unknown>,
        [
          ...call("tool-1", "add", { outcome: "ok" }, { a: 1, b: 2 }),
          ...call("tool-2", "complain", { outcome: "error", text: "it went wrong" }),
          ...call("tool-3", "refuse", {
            outcome: "failed",
            text: "MCP server fake: MCP error -32602: not like this"
          }, {}),
          { type: "notification", text: "soon" }
        ] as ReadonlyArray<unknown>
      )
      assert.strictEqual(ended?.type, "ended")
      assert.include(ended, { outcome: "failed" })
      assert.match(
        JSON.stringify(ended),
        /"text":"ReferenceError: nope is not defined.*"location":\{"line":8,"column":11\}/
      )
      assert.strictEqual(status, 1)
      assert.match(stderr, /^ReferenceError: nope is not defined/)
    }))

  it.live("tells of yields and of the end of a cell that waits for nothing", () =>
    Effect.gen(function*() {
      const { status, stdout } = yield* runCell(
        "text(1); yield_control(); text(2); await new Promise(() => {})",
        "--json",
        "--yield-after",
        "1h"
      )
      assert.deepStrictEqual(events(stdout) as ReadonlyArray<unknown>, [
        { type: "started", cellId: "ID" },
        { type: "output", item: { type: "input_text", text: "1" } },
        { type: "yielded", cellId: "ID" },
        { type: "output", item: { type: "input_text", text: "2" } },
        { type: "ended", cellId: "ID", outcome: "terminated" }
      ])
      assert.strictEqual(status, 1)
    }))
})

describe("--yield-after", () => {
  it.live("prints what a host would hear, until the end", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* runCell(
        `
          text("one")
          await new Promise((resolve) => setTimeout(resolve, 1500))
          text("two")
        `,
        "--yield-after",
        "500ms"
      )
      assert.strictEqual(stdout, "one\ntwo\n")
      assert.match(stderr, /^(yielded: cell \w+ is still running\n)+$/)
      assert.strictEqual(status, 0)
    }))

  it.live("ends the cell at its first yield with --once", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* runCell(
        "text(1); yield_control(); while (true);",
        "--yield-after",
        "1h",
        "--once"
      )
      assert.strictEqual(stdout, "1\n")
      assert.match(stderr, /^yielded: .*\nthe cell is ended at its first yield, as --once asks\n$/)
      assert.strictEqual(status, 3)
    }))

  it.live("lets a cell end before that", () =>
    Effect.gen(function*() {
      const result = yield* runCell("text(1)", "--yield-after", "1h", "--once")
      assert.deepStrictEqual(result, { status: 0, stdout: "1\n", stderr: "" })
    }))

  it.live("belongs to --once", () =>
    Effect.gen(function*() {
      const { status, stderr } = yield* runCell("text(1)", "--once")
      assert.strictEqual(status, 2)
      assert.include(stderr, "effect-code-mode: --once goes with --yield-after DURATION\n")
    }))
})

describe("--save-media", () => {
  it.live("saves images and recordings, and overwrites nothing", () =>
    Effect.gen(function*() {
      const media = join(yield* folder, "a", "b")
      mkdirSync(media, { recursive: true })
      writeFileSync(join(media, "image-1.png"), "mine")
      const { status, stderr, stdout } = yield* runCell(
        `
          image("data:image/png;base64,AAAA")
          text("between")
          audio("data:audio/mpeg;base64,AAECAw==")
        `,
        "--save-media",
        media
      )
      assert.strictEqual(
        stdout,
        `[image image/png, 3 B: ${media}/image-2.png]\nbetween\n[audio audio/mpeg, 4 B: ${media}/audio-3.mp3]\n`,
        stderr
      )
      assert.strictEqual(status, 0)
      assert.deepStrictEqual(readdirSync(media).sort(), ["audio-3.mp3", "image-1.png", "image-2.png"])
      assert.strictEqual(readFileSync(join(media, "image-1.png"), "utf8"), "mine")
      assert.deepStrictEqual(readFileSync(join(media, "audio-3.mp3")), Buffer.from([0, 1, 2, 3]))
    }))

  it.live("tells programs where they are", () =>
    Effect.gen(function*() {
      const media = yield* folder
      const { stdout } = yield* runCell("image('data:image/jpeg;base64,AAAA')", "--save-media", media, "--json")
      assert.deepStrictEqual(events(stdout)[1] as unknown, {
        type: "media",
        kind: "image",
        mediaType: "image/jpeg",
        bytes: 3,
        path: join(media, "image-1.jpg")
      })
    }))

  it.live("says so where it cannot", () =>
    Effect.gen(function*() {
      const { status, stderr } = yield* runCell("text(1)", "--save-media", join(root, "package.json"))
      assert.strictEqual(status, 2)
      assert.match(stderr, /^effect-code-mode: --save-media .*package\.json: /)
    }))
})

describe("--session", () => {
  it.live("keeps what cells store", () =>
    Effect.gen(function*() {
      const home = yield* folder
      const path = join(home, "session.json")
      const cell = (source: string, name = "session.json") => runCell(source, "--session", join(home, name))
      assert.deepStrictEqual(yield* cell("text(load('n')); store('n', { a: [1] })"), {
        status: 0,
        stdout: "undefined\n",
        stderr: ""
      })
      symlinkSync(path, join(home, "link.json"))
      assert.deepStrictEqual(yield* cell("text(load('n')); store('m', null)", "link.json"), {
        status: 0,
        stdout: "{\"a\":[1]}\n",
        stderr: ""
      })
      assert.deepStrictEqual(JSON.parse(readFileSync(path, "utf8")), {
        version: 1,
        storedValues: { n: { a: [1] }, m: null }
      })
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
      assert.deepStrictEqual(readdirSync(home).sort(), ["link.json", "session.json"])
    }))

  it.live.each(["", "{", "[]", "{\"version\":2,\"storedValues\":{}}", "{\"version\":1}"])(
    "refuses %j and leaves it as it is",
    (text) =>
      Effect.gen(function*() {
        const path = join(yield* folder, "session.json")
        writeFileSync(path, text)
        const { status, stderr, stdout } = yield* runCell("store('a', 1)", "--session", path)
        assert.strictEqual(status, 2)
        assert.strictEqual(stdout, "")
        assert.strictEqual(
          stderr,
          `effect-code-mode: --session ${path}: this is no session file, or a damaged one; ` +
            "move it away to begin a new session\n"
        )
        assert.strictEqual(readFileSync(path, "utf8"), text)
      })
  )

  it.live("writes nothing for a run that was interrupted", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "session.json")
      const { child, printed, result } = yield* startCommand(["run", "-", "--session", path], {
        stdin: "store('a', 1); text('stored'); await new Promise((resolve) => setTimeout(resolve, 60_000))"
      })
      yield* printed("stored")
      child.kill("SIGINT")
      assert.strictEqual((yield* result).status, 130)
      assert.isFalse(existsSync(path))
    }))

  it.live("does not run a cell whose values it could not keep", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "none", "session.json")
      const { status, stderr, stdout } = yield* runCell("text(1)", "--session", path)
      assert.deepStrictEqual({ status, stderr, stdout }, {
        status: 2,
        stderr: `effect-code-mode: --session ${path}: there is no such file or folder\n`,
        stdout: ""
      })
    }))
})

describe("a folder that goes away", () => {
  it.live.each(
    [
      ["--session", "store('a', 1)", "session.json: the stored values are not kept"],
      ["--save-media", "image('data:image/png;base64,AAAA')", "session.json"]
    ] as const
  )("while a cell runs fails the %s of it", ([flag, act, text]) =>
    Effect.gen(function*() {
      const home = yield* folder
      const from = join(home, "from")
      mkdirSync(from)
      const move = JSON.stringify({ source: from, destination: join(home, "to") })
      const { status, stderr, stdout } = yield* runCell(
        `await tools.mcp__fs__move_file(${move}); text("moved"); ${act}`,
        flag,
        join(from, "session.json"),
        "--mcp",
        `fs=${join(root, "node_modules/.bin/mcp-server-filesystem")} ${home}`
      )
      assert.strictEqual(stdout, "moved\n", stderr)
      assert.isTrue(
        stderr.endsWith(`effect-code-mode: ${flag} ${from}/${text}: there is no such file or folder\n`),
        stderr
      )
      assert.strictEqual(status, 1)
    }))
})

describe("doctor", () => {
  it.live("says what works here", () =>
    Effect.gen(function*() {
      const { status, stderr, stdout } = yield* run(["doctor"])
      assert.strictEqual(status, 0)
      assert.strictEqual(stderr, "")
      const [title, ...lines] = stdout.trimEnd().split("\n")
      assert.strictEqual(title, "effect-code-mode 0.1.0")
      assert.strictEqual(lines[0], "✓ system      Linux")
      assert.match(lines[1]!, new RegExp(`^[✓!] node +${process.version} at `))
      assert.match(lines[2]!, /^✓ engine +V8 .*; the first cell took /)
      assert.match(lines[3]!, /^[✓!] lane +a process of its own, .*no environment|without environment/)
      assert.isTrue(
        lines.some((line) => /^✓ checks +the compiler of typescript; the first check took .*, the next /.test(line))
      )
      assert.deepStrictEqual(lines.filter((line) => !/^[✓!] [a-z ]{11} \S/.test(line)), [])
    }))
})
