/** Sources that are checked by the real compiler. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Check from "effect-code-mode/Check"
import * as Delegate from "effect-code-mode/Delegate"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Schema from "effect/Schema"
import { chmodSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Users from "../isolate/Users.ts"

const object = (properties: Schema.JsonObject, required: ReadonlyArray<string> = []): Schema.JsonObject => ({
  type: "object",
  properties,
  required,
  additionalProperties: false
})

const string = { type: "string" }

const tools = [
  Delegate.definition("read_file", {
    description: "",
    inputSchema: object({ path: string, limit: { type: "number" } }, ["path"]),
    outputSchema: object({ text: string, extra: {} }, ["text"])
  }),
  Delegate.definition("list", { description: "", inputSchema: object({ folder: string }) }),
  Delegate.definition("mcp__fs__write", {
    description: "",
    inputSchema: object({ path: string, mode: { enum: ["new", "unknown"] } }, ["path"])
  }),
  {
    ...Delegate.definition("count", { description: "", inputSchema: { type: "array", prefixItems: [string] } }),
    variadic: true
  }
]

const told = (source: string, options: Partial<Check.Request> = {}) =>
  Effect.gen(function*() {
    const { check } = yield* Check.Check
    const findings = yield* check({ source, tools, level: "names", ...options })
    return findings.map(({ location: { column, line }, text }) => `${line}:${column} ${text}`)
  })

const awaitIt = "this is a promise, or a list of promises: await it first, several with Promise.all"
const notAwaited = "nothing waits for this call: put await before it"

layer(Check.layer(), { excludeTestServices: true })("Check", (it) => {
  describe("names", () => {
    it.effect.each<readonly [source: string, ...told: ReadonlyArray<string>]>([
      ["text(await tools.read_file({ path: \"a\" }))"],
      ["await tools.reed_file({ path: \"a\" })", "1:13 there is no tool reed_file: did you mean tools.read_file?"],
      ["await tools.write({ path: \"a\" })", "1:13 there is no tool write: did you mean tools.mcp__fs__write?"],
      ["tools.zzz", "1:7 there is no tool zzz; there are read_file, list, mcp__fs__write, count"],
      [
        "await tools.read_file({ pth: \"a\" })",
        "1:25 Object literal may only specify known properties, but 'pth' does not exist in type " +
        "'{ limit?: number | undefined; path: string; }'. Did you mean to write 'path'?"
      ],
      [
        "const args = { limit: 1 }\nawait tools.read_file(args)",
        "2:23 Property 'path' is missing in type '{ limit: number; }' but required in type " +
        "'{ limit?: number | undefined; path: string; }'."
      ],
      ["await tools.read_file()", "1:13 Expected 1 arguments, but got 0."],
      ["await tools.read_file({ path: 1 })", "1:25 Type 'number' is not assignable to type 'string'."],
      ["await tools.list(); await tools.list({}); await tools.count(\"a\")"],
      [
        "await tools.mcp__fs__write({ path: \"a\", mode: \"old\" })",
        "1:41 Type '\"old\"' is not assignable to type '\"new\" | \"unknown\" | undefined'."
      ],
      ["await tools.mcp__fs__write({ path: \"a\", mode: \"unknown\" })"],
      ["for (const name of Object.keys(tools)) await tools[name]({})"]
    ])("of tools and arguments: %s", ([source, ...expected]) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* told(source), expected)
      }))

    it.effect.each<readonly [source: string, ...told: ReadonlyArray<string>]>([
      [
        "const r = tools.read_file({ path: \"a\" })\nr.text",
        "2:3 Property 'text' does not exist on type 'Promise<any>': await it first."
      ],
      ["text(tools.list())", `1:6 ${awaitIt}`],
      ["text([\"a\", \"b\"].map((path) => tools.read_file({ path })))", `1:6 ${awaitIt}`],
      ["text(await Promise.all([\"a\"].map((path) => tools.read_file({ path }))))"],
      ["const p = tools.list(); store(\"p\", p); text(await p)", `1:36 ${awaitIt}`],
      ["tools.list()\ntools.list({}).then((r) => text(r))", `1:1 ${notAwaited}`, `2:1 ${notAwaited}`],
      ["if (load(\"a\")) tools.list()\nelse tools.list()", `1:16 ${notAwaited}`, `2:6 ${notAwaited}`],
      ["[1].forEach(async () => {\n  tools.list()\n})", `2:3 ${notAwaited}`],
      ["const a = 1 // a\ntools.list()", `2:1 ${notAwaited}`],
      [
        "const a =\n  tools.list()\nawait a; await\ntools.list(); void tools.list(); const f = () => tools.list(); " +
        "text(`${await f()} tools.list()`) // tools.list()"
      ],
      ["await Promise.all([tools.list(), tools.list()]); return1: { await tools.list() }"]
    ])("of what is not awaited: %s", ([source, ...expected]) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* told(source), expected)
      }))

    it.effect.each<readonly [source: string, ...told: ReadonlyArray<string>]>([
      ["text(fetch(\"a\"))", "1:6 Cannot find name 'fetch'."],
      ["console.log(1)", "1:1 Cannot find name 'console'."],
      ["const fs = require(\"fs\"); process.exit()", "1:20 Cannot find name 'fs'.", "1:27 Cannot find name 'process'."],
      ["undeclared = 1; load(\"a\"); exit()", "1:1 Cannot find name 'undeclared'."],
      ["text(1, 2)", "1:9 Expected 1 arguments, but got 2."],
      ["store(1)", "1:1 Expected 2 arguments, but got 1."]
    ])("of what a cell finds besides: %s", ([source, ...expected]) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* told(source), expected)
      }))

    it.effect.each([
      "const r = await tools.read_file({ path: \"a\" }); r.anything.at.all(); r.content[0].text.length",
      "const by = {}; for (const k of [\"a\"]) by[k] = 1; by.a; Object.values(by).sort((a, b) => b - a)",
      "let best = null; for (const x of [1, 2]) if (!best || x > best) best = x; text(best.toFixed())",
      "const all = []; all.push(1); all.map((x) => x.y); function f(a, b) { return a } f(1)",
      "const o = { a: 1 }; o.b = 2; text(o.c); class A { x; constructor() { this.y = 1 } } new A().z",
      "try { await tools.list() } catch (e) { text(e.message) }",
      "/** @param {Issue} a\n * @returns {Promise<Foo>} */\nasync function f(a) { return a }\nawait f(1); text(\"src/**/*.ts\")",
      "// @ts-nocheck\nawait tools.nope()",
      "await new Promise((r) => setTimeout(r, 60)); await new Promise((r) => setTimeout(() => r(), 1))",
      "text(typeof process === \"undefined\" ? 1 : process.env); globalThis.own = 1; text(own); exit(0)",
      "\"a\".match(/x/)[1]; [1].find((x) => x > 1).toFixed(); JSON.parse(\"{}\").a.b; ({}).x"
    ])("leaves to a source what is its own: %s", (source) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* told(source), [])
      }))

    it.effect("takes the globals that a host puts there", () =>
      Effect.gen(function*() {
        const source = "console.log(1, 2); text(1, 2); text(tools.list(), 1)"
        assert.deepStrictEqual(yield* told(source, { console: true, variadicText: true }), [`1:37 ${awaitIt}`])
      }))

    it.effect("counts lines and columns as JavaScript does", () =>
      Effect.gen(function*() {
        const source = "#!/bin/node\r\nconst a = \"äö😀\"; tools.nope\u2028\ttools.nope"
        assert.deepStrictEqual(
          (yield* told(source)).map((line) => line.split(" ")[0]),
          ["2:25", "3:8"]
        )
      }))

    it.effect("tells of a bounded number of mistakes", () =>
      Effect.gen(function*() {
        assert.lengthOf(yield* told("tools.nope;".repeat(1000)), 20)
      }))

    it.effect("says nothing of what is no program", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* told("await tools.nope("), [])
        assert.deepStrictEqual(yield* told("const a: number = tools.nope"), [])
        assert.deepStrictEqual(yield* told("Here is the script: tools.nope"), [])
      }))
  })

  describe("strict", () => {
    it.effect.each<readonly [source: string, ...told: ReadonlyArray<string>]>([
      [
        "const r = await tools.read_file({ path: \"a\" })\nr.txt; r.extra.a.b",
        "2:3 Property 'txt' does not exist on type '{ extra?: any; text: string; }'. Did you mean 'text'?"
      ],
      ["\"a\".match(/x/)[1]", "1:1 Object is possibly 'null'."],
      ["const a = 1; a.b", "1:16 Property 'b' does not exist on type '1'."],
      ["await new Promise((r) => setTimeout(r, 60)); await new Promise((r) => setTimeout(() => r(), 1))"],
      ["const f = (a) => a.b; const r = await tools.list(); r.a.b; try { f(1) } catch (e) { e.message }"],
      [
        "tools.list(); tools.nope",
        `1:1 ${notAwaited}`,
        "1:21 there is no tool nope; there are read_file, list, mcp__fs__write, count"
      ]
    ])("%s", ([source, ...expected]) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* told(source, { level: "strict" }), expected)
      }))

    it.effect("takes blocks of content as models do", () =>
      Effect.gen(function*() {
        const server = Delegate.definition("s", {
          description: "",
          inputSchema: {},
          outputSchema: {
            type: "object",
            properties: {
              content: { type: "array", items: { type: "object" } },
              isError: { type: "boolean" },
              _meta: { type: "object" }
            }
          }
        })
        const check = (source: string) => told(source, { level: "strict", tools: [server] })
        assert.deepStrictEqual(yield* check("text((await tools.s()).content[0].text.length)"), [])
        assert.deepStrictEqual(yield* check("text((await tools.s()).structuredContent?.a.b)"), [])
        assert.include((yield* check("text((await tools.s()).content[0].txt)"))[0], "Property 'txt' does not exist")
      }))
  })

  describe("TypeScript", () => {
    it.effect("is checked as such", () =>
      Effect.gen(function*() {
        const source = "interface A { path: string }\nconst a: A = { path: 1 }\nawait tools.read_file(a as any)\n" +
          "tools.list()\nconst r: CallToolResult = await tools.nope(a!)"
        const inNames = [
          "4:1 " + notAwaited,
          "5:39 there is no tool nope; there are read_file, list, mcp__fs__write, count"
        ]
        assert.deepStrictEqual(yield* told(source, { language: "typescript" }), inNames)
        assert.deepStrictEqual(yield* told(source, { language: "typescript", level: "strict" }), [
          "2:16 Type 'number' is not assignable to type 'string'.",
          ...inNames
        ])
      }))

    it.effect("leaves nothing behind for the next source", () =>
      Effect.gen(function*() {
        const source =
          "declare global { var own: number; interface Tools { nope(): void } } own; await tools.nope(); export {}"
        assert.deepStrictEqual(yield* told(source, { language: "typescript" }), [])
        assert.deepStrictEqual(yield* told("own"), ["1:1 Cannot find name 'own'."])
        assert.include((yield* told("tools.nope"))[0], "there is no tool nope")
      }))
  })

  it.effect("answers several at a time, for sessions with other tools", () =>
    Effect.gen(function*() {
      const others = [Delegate.definition("other", { description: "", inputSchema: {} })]
      const all = yield* Effect.forEach(
        Array.from({ length: 10 }, (_, index) => index),
        (index) => told(`tools.nope${index}`, index % 2 === 0 ? { tools: others } : {}),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        all.flat(),
        all.map((_, index) =>
          `1:7 there is no tool nope${index}; there are ${
            index % 2 === 0 ? "other" : "read_file, list, mcp__fs__write, count"
          }`
        )
      )
    }))
})

// =============================================================================
// The process
// =============================================================================

/** The compilers that this process has started and that are there. */
const compilers = () =>
  globSync("/proc/[0-9]*/status").filter((path) => {
    try {
      return readFileSync(path, "utf8").includes(`\nPPid:\t${process.pid}\n`) &&
        readFileSync(path.replace("status", "cmdline"), "utf8").includes("--api")
    } catch {
      return false
    }
  })

const withFolder = <A, E, R>(use: (folder: string) => Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-code-mode-"))),
    use,
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  )

const check = (source: string, language: "javascript" | "typescript" = "typescript") =>
  Effect.flatMap(Check.Check, ({ check }) => check({ source, language, tools, level: "strict" }))

describe("the compiler's process", () => {
  it.live("is started by the first check, and ends with its scope", () =>
    Effect.gen(function*() {
      yield* Effect.gen(function*() {
        assert.lengthOf(compilers(), 0)
        yield* check("1")
        yield* check("2")
        assert.lengthOf(compilers(), 1)
      }).pipe(Effect.provide(Check.layer()))
      assert.lengthOf(compilers(), 0)
    }))

  it.live.runIf(Users.areKept)("has no more rights than it needs", () =>
    Effect.gen(function*() {
      yield* check("1")
      const status = readFileSync(compilers()[0]!, "utf8")
      assert.match(status, /^NoNewPrivs:\t1$/m)
      assert.match(status, Users.isRoot ? /^Uid:\t[1-9]\d*/m : /^Uid:\t/m)
      assert.match(readFileSync(compilers()[0]!.replace("status", "oom_score_adj"), "utf8"), /^1000$/m)
      const environment = readFileSync(compilers()[0]!.replace("status", "environ"), "utf8")
      assert.sameMembers(
        environment.split("\0").filter((entry) => entry !== "").map((entry) => entry.split("=")[0]),
        ["GOMEMLIMIT", "EFFECT_CODE_MODE_STARTED_BY"]
      )
    }).pipe(Effect.provide(Check.layer())))

  it.live("reads no file that a source names", () =>
    withFolder((folder) =>
      Effect.gen(function*() {
        const secret = join(folder, "secret.d.ts")
        writeFileSync(secret, "declare const secret: 42; export declare const hidden: 42")
        const sources = [
          `/// <reference path="${secret}" />\nconst x: string = secret`,
          `/// <reference types="${secret}" />\nconst x: string = secret`,
          `import { hidden } from "${secret.replace(".d.ts", "")}"\nconst x: string = hidden`,
          `const x: string = {} as typeof import("${secret.replace(".d.ts", "")}").hidden`,
          `/// <reference lib="dom" />\nconst x: string = document`
        ]
        for (const source of sources) {
          const texts = (yield* check(source)).map(({ text }) => text)
          assert.match(texts.join("\n"), /Cannot find/, source)
          assert.notMatch(texts.join("\n"), /42|is not assignable/, source)
        }
      })
    ).pipe(Effect.provide(Check.layer())))

  it.live("has no more than its time for a source, and checks the next one", () =>
    Effect.gen(function*() {
      for (
        const source of [
          `${"[".repeat(200_000)}`,
          `type A = ${"Array<".repeat(100_000)}1${">".repeat(100_000)}`,
          "type D = 0|1|2|3|4|5|6|7|8|9; type E = `${D}${D}${D}${D}`; " +
          "const f: { [K in E]: { [L in E]: [K, L] } }[E][E] = 1"
        ]
      ) {
        const failure = yield* Effect.flip(check(source))
        assert.strictEqual(failure._tag, "CheckFailure")
        assert.match(failure.message, /^the compiler failed: it /)
        assert.lengthOf(compilers(), 0)
        // A busy machine may take longer than that for a good one, too.
        assert.lengthOf(yield* Effect.retry(check("tools.nope"), { times: 5 }), 1)
      }
    }).pipe(Effect.provide(Check.layer({ timeout: "400 millis" }))), 60_000)

  it.live.runIf(process.platform === "linux")("has no more than its memory", () =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(check("1"))
      assert.strictEqual(failure.message, "the compiler failed: it took more than 1 MiB of memory")
      assert.lengthOf(compilers(), 0)
    }).pipe(Effect.provide(Check.layer({ maxMemoryBytes: 1024 * 1024 }))))

  it.live("is another one after it has died", () =>
    Effect.gen(function*() {
      yield* check("1")
      const pid = Number(compilers()[0]!.split("/")[2])
      process.kill(pid, "SIGKILL")
      while (existsSync(`/proc/${pid}`)) {
        yield* Effect.sleep("5 millis")
      }
      const after = yield* Effect.result(check("tools.nope"))
      assert.isTrue(after._tag === "Success" || /it ended with SIGKILL/.test(after.failure.message))
      assert.lengthOf(yield* check("tools.nope"), 1)
    }).pipe(Effect.provide(Check.layer())))

  it.live("ends with a check that is interrupted", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(check("[".repeat(200_000)), { startImmediately: true })
      while (compilers().length === 0) {
        yield* Effect.sleep("5 millis")
      }
      yield* Fiber.interrupt(fiber)
      assert.lengthOf(compilers(), 0)
      assert.lengthOf(yield* check("tools.nope"), 1)
    }).pipe(Effect.provide(Check.layer())))

  it.live.each<readonly [script: string, why: RegExp]>([
    ["exit 3", /it ended with status 3|it closed its input/],
    ["echo hello; cat", /it says something that is not a message|it gave no answer/],
    ["head -c 5000 /dev/zero; cat", /it says something that is not a message/],
    ["printf 'Content-Length: 99999999\\r\\n\\r\\n'; cat", /it says something that is not a message/],
    ["printf 'Content-Length: 4\\r\\n\\r\\n{[]}'; cat", /JSON/]
  ])("that is none fails the check: %s", ([script, why]) =>
    withFolder((folder) =>
      Effect.gen(function*() {
        const executable = join(folder, "tsc")
        writeFileSync(executable, `#!/bin/sh\n${script}\n`)
        chmodSync(executable, 0o755)
        const failure = yield* Effect.flip(check("1")).pipe(Effect.provide(Check.layer({ executable })))
        assert.strictEqual(failure._tag, "CheckFailure")
        assert.match(failure.message, why)
      })
    ), 30_000)

  it.live("that is not there is said before there is a checker", () =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(check("1").pipe(Effect.provide(Check.layer({ executable: "/no/tsc" }))))
      assert.strictEqual(failure._tag, "CompilerMissing")
      assert.strictEqual(failure.message, "cells cannot be checked: there is no file /no/tsc")
    }))
})
