import { assert, describe, it } from "@effect/vitest"
import * as Store from "effect-code-mode/Store"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { created, output, settled, stored } from "../store/Contract.ts"
import { folder, run } from "./Process.ts"

const key = randomBytes(32).toString("base64")

/** A folder with a store that has a session, which its owner has given back. */
const kept = Effect.fnUntraced(function*(options: { readonly encrypted?: boolean } = {}) {
  const home = yield* folder
  const filename = join(home, "store.db")
  const file = Store.layerSqlite({ filename })
  const encrypted = Store.layerEncrypted({ key: { id: "k", secret: Redacted.make(key) } }).pipe(Layer.provide(file))
  yield* Effect.gen(function*() {
    const store = yield* Store.Store
    const epoch = yield* store.claim("user-42", "host-1", "1 hour")
    yield* store.append("user-42", epoch, [
      created("one", { source: "\n  // says hello\n  text(1)" }),
      output("one", "hello"),
      stored("one", 1, [["counted", "[1,2]"]]),
      settled("one"),
      created("two", { number: 2, source: "await tools.ask({})" })
    ])
    yield* store.release("user-42", epoch)
  }).pipe(Effect.provide(options.encrypted === true ? encrypted : file, { local: true }))
  return { home, filename }
})

const sessions = (...args: ReadonlyArray<string>) =>
  Effect.map(run(["sessions", ...args]), ({ status, stderr, stdout }) => ({ status, stderr, stdout }))

describe("effect-code-mode sessions", () => {
  it.live("shows what a store has", () =>
    Effect.gen(function*() {
      const { filename } = yield* kept()
      const list = yield* sessions("list", "--store", filename)
      assert.deepStrictEqual([list.status, list.stderr], [0, ""])
      assert.match(
        list.stdout,
        /^SESSION {2}LIVE {2}ENDED {2}SIZE +CHANGED +OWNER\nuser-42 {2}1 {5}1 {6}\d+ B +[\w ]+  -\n$/
      )
      const show = yield* sessions("show", "user-42", "--store", filename)
      assert.match(
        show.stdout.slice(show.stdout.indexOf("\n\n")),
        new RegExp([
          "",
          "",
          "cell one: completed",
          "  // says hello",
          "  made [\\d,]+ days ago, ended [\\d,]+ days ago, outcome not read",
          "  output: 1 item, 1 not read",
          "",
          "cell two: live",
          "  await tools.ask\\(\\{\\}\\)",
          "  made [\\d,]+ days ago",
          "",
          "stored values:",
          "  counted: 5 B",
          "$"
        ].join("\n"))
      )
    }))

  it.live("prints JSON for programs", () =>
    Effect.gen(function*() {
      const { filename } = yield* kept()
      const { stdout } = yield* sessions("show", "user-42", "--store", filename, "--json")
      const [session, one, two] = stdout.trimEnd().split("\n").map((line) => JSON.parse(line))
      assert.deepInclude(session, { type: "session", session: "user-42", liveCells: 1, endedCells: 1 })
      assert.deepInclude(one, { type: "cell", cellId: "one", status: "completed", read: false })
      assert.deepStrictEqual(one.output, [{ type: "input_text", text: "hello" }])
      assert.deepInclude(two, { type: "cell", cellId: "two", status: "live", source: "await tools.ask({})" })
    }))

  it.live("deletes sessions, and what is over", () =>
    Effect.gen(function*() {
      const { filename } = yield* kept()
      const store = ["--store", filename]
      assert.deepStrictEqual(yield* sessions("prune", "--ended-for", "7d", "--unread-for", "1000d", ...store), {
        status: 0,
        stdout: "deleted 1 cells and 0 sessions\n",
        stderr: ""
      })
      assert.deepStrictEqual(yield* sessions("delete", "user-42", "other", ...store), {
        status: 2,
        stdout: "",
        stderr: "effect-code-mode: there is no session other\n"
      })
      assert.deepStrictEqual(yield* sessions("delete", "user-42", ...store), { status: 0, stdout: "", stderr: "" })
      assert.strictEqual((yield* sessions("list", ...store)).stdout, "there are no sessions\n")
    }))

  it.live("says what is wrong with a store, and makes none", () =>
    Effect.gen(function*() {
      const { home } = yield* kept()
      const missing = join(home, "missing.db")
      assert.deepStrictEqual(yield* sessions("list", "--store", missing), {
        status: 2,
        stdout: "",
        stderr: `effect-code-mode: --store ${missing}: there is no such file or folder\n`
      })
      assert.isFalse(existsSync(missing))
      const text = join(home, "text")
      writeFileSync(text, "no store ".repeat(100))
      const { stderr } = yield* sessions("list", "--store", text)
      assert.strictEqual(
        stderr,
        `effect-code-mode: ${text} is damaged, or no store: file is not a database\n`
      )
    }))

  it.live("shows what is encrypted to those who have the key", () =>
    Effect.gen(function*() {
      const { filename, home } = yield* kept({ encrypted: true })
      const keys = (content: string) => {
        const path = join(home, "keys")
        writeFileSync(path, content)
        return ["--store-keys", path]
      }
      const show = (...args: ReadonlyArray<string>) => sessions("show", "user-42", "--store", filename, ...args)
      assert.strictEqual(
        (yield* show()).stderr,
        "effect-code-mode: session user-42 is encrypted; --store-keys FILE has its key\n"
      )
      assert.include((yield* show(...keys(`# of this year\nk ${key}\n`))).stdout, "// says hello")
      const other = randomBytes(32).toString("base64")
      assert.strictEqual(
        (yield* show(...keys(`new ${other}`))).stderr,
        "effect-code-mode: session user-42 is encrypted with key k, which was not given\n"
      )
      assert.include((yield* show(...keys(`new ${other}\nk ${key}`))).stdout, "// says hello")
      for (
        const [content, problem] of [
          ["k", "a line has a name and a key, and nothing else"],
          [" \n", "it has no keys"],
          ["k short", "key k is not 32 bytes in base64"]
        ] as const
      ) {
        const { status, stderr } = yield* show(...keys(content))
        assert.strictEqual(status, 2)
        assert.include(stderr, problem)
      }
    }))
})
