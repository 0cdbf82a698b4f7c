import { assert, describe, it } from "@effect/vitest"
import type * as Protocol from "effect-code-mode/Protocol"
import * as Store from "effect-code-mode/Store"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import * as Process from "../cli/Process.ts"
import { cell, contract, created, output } from "./Contract.ts"

const filename = Effect.map(Process.folder, (folder) => join(folder, "store.db"))

contract({
  name: "in a file",
  layer: (bounds) => Layer.unwrap(Effect.map(filename, (filename) => Store.layerSqlite({ ...bounds, filename })))
})

const use = <A, E>(
  options: Store.SqliteOptions,
  body: (store: Store.Store["Service"]) => Effect.Effect<A, E>
): Effect.Effect<A, E | Protocol.StoreFailure> =>
  Effect.flatMap(Store.Store, body).pipe(Effect.provide(Store.layerSqlite(options), { local: true }))

const failureOf = (options: Store.SqliteOptions) =>
  Effect.map(Effect.flip(use(options, () => Effect.void)), ({ reason, text }) => [reason, text])

const appender = fileURLToPath(new URL("fixtures/appender.ts", import.meta.url))

/** A process that appends until it is killed. What it has said is kept is the number of its last append. */
const appending = (filename: string, session: string, owner: string) =>
  Effect.map(Process.start(process.execPath, [appender, filename, session, owner]), (running) => ({
    ...running,
    /** Once it has said this often that something is kept. */
    killedAfter: (count: number) =>
      Effect.gen(function*() {
        yield* running.printed(`${count}\n`)
        running.child.kill("SIGKILL")
        const { stderr, stdout } = yield* running.result
        assert.strictEqual(stderr, "")
        return Number(stdout.split("\n").at(-2))
      })
  }))

const textsOf = (records: ReadonlyArray<Store.Record>) =>
  records.flatMap((record) =>
    record._tag === "Output" ? record.items.map((item) => item.type === "input_text" ? item.text : "") : []
  )

describe("a store in a file", () => {
  it.live("outlives its process, and is for its owner alone", () =>
    Effect.gen(function*() {
      const file = yield* filename
      const records = [created("one"), output("one", "a secret")]
      const epoch = yield* use({ filename: file }, (store) =>
        Effect.tap(store.claim("s", "a", "1 hour"), (epoch) =>
          Effect.andThen(
            store.append("s", epoch, records),
            Effect.sync(() => {
              for (const suffix of ["", "-wal", "-shm"]) {
                assert.strictEqual(statSync(file + suffix).mode & 0o777, 0o600, suffix)
              }
            })
          )))
      yield* use({ filename: file }, (store) =>
        Effect.gen(function*() {
          assert.deepStrictEqual((yield* store.load("s")).records, records)
          // The owner may be the same process as before.
          yield* store.append("s", epoch, [output("one", "more")])
        }))
    }))

  it.live("says what is wrong with a file", () =>
    Effect.gen(function*() {
      const folder = yield* Process.folder
      const at = (name: string) => join(folder, name)
      assert.deepStrictEqual(yield* failureOf({ filename: at("no/folder.db") }), [
        "Unavailable",
        `${at("no/folder.db")} cannot be used: ENOENT: no such file or directory, open '${at("no/folder.db")}'`
      ])
      mkdirSync(at("folder"))
      assert.deepStrictEqual((yield* failureOf({ filename: at("folder") }))[0], "Unavailable")
      writeFileSync(at("text.db"), "This is a text and no database. ".repeat(200))
      assert.deepStrictEqual(yield* failureOf({ filename: at("text.db") }), [
        "Damaged",
        `${at("text.db")} is damaged, or no store: file is not a database`
      ])
      assert.strictEqual(readFileSync(at("text.db"), "utf8").length, 6400)
      const other = new DatabaseSync(at("other.db"))
      other.exec("CREATE TABLE theirs (a)")
      other.close()
      assert.deepStrictEqual(yield* failureOf({ filename: at("other.db") }), [
        "Damaged",
        `${at("other.db")} is a database of something else`
      ])
      yield* use({ filename: at("newer.db") }, (store) => store.claim("s", "a", 0))
      const newer = new DatabaseSync(at("newer.db"))
      newer.exec("PRAGMA user_version = 2")
      newer.close()
      assert.deepStrictEqual(yield* failureOf({ filename: at("newer.db") }), [
        "NewerVersion",
        `${at("newer.db")} was made by a newer version of effect-code-mode`
      ])
    }))

  it.live("waits for another process that writes, and not for ever", () =>
    Effect.gen(function*() {
      const file = yield* filename
      const other = yield* Effect.acquireRelease(
        Effect.sync(() => new DatabaseSync(file)),
        (database) => Effect.sync(() => database.close())
      )
      yield* use({ filename: file, busyTimeout: "100 millis" }, (store) =>
        Effect.gen(function*() {
          const epoch = yield* store.claim("s", "a", "1 hour")
          other.exec("BEGIN IMMEDIATE")
          const error = yield* Effect.flip(store.append("s", epoch, [created("one")]))
          assert.deepStrictEqual(error.message, `another process keeps ${file} locked`)
          assert.deepStrictEqual((yield* store.load("s")).records, [])
          other.exec("ROLLBACK")
          yield* store.append("s", epoch, [created("one")])
        }))
    }))

  it.live("is made once by those who open it at the same time", () =>
    Effect.gen(function*() {
      const file = yield* filename
      yield* Effect.forEach(
        Array.from({ length: 3 }, (_, index) => `owner ${index}`),
        (owner) => Effect.flatMap(appending(file, owner, owner), ({ killedAfter }) => killedAfter(1)),
        { concurrency: "unbounded" }
      )
      const list = yield* use({ filename: file }, (store) => store.list)
      assert.deepStrictEqual(list.map(({ session }) => session), ["owner 0", "owner 1", "owner 2"])
    }).pipe(Effect.scoped, Effect.timeout("50 seconds")))

  it.live("says that a record cannot be read", () =>
    Effect.gen(function*() {
      const file = yield* filename
      yield* use({ filename: file }, (store) =>
        Effect.gen(function*() {
          const epoch = yield* store.claim("s", "a", 0)
          yield* store.append("s", epoch, [created("one")])
          const other = new DatabaseSync(file)
          other.exec("UPDATE records SET data = '{}'")
          other.close()
          const error = yield* Effect.flip(store.load("s"))
          assert.deepStrictEqual([error.reason, error.text], ["Damaged", "the store has a record that cannot be read"])
        }))
    }))

  it.live("gives room back when a session is removed", () =>
    Effect.gen(function*() {
      const file = yield* filename
      const size = () => statSync(file).size
      yield* use({ filename: file }, (store) =>
        Effect.gen(function*() {
          const epoch = yield* store.claim("s", "a", 0)
          yield* store.append("s", epoch, [output("one", "x".repeat(4_000_000))])
        }))
      assert.isAbove(size(), 4_000_000)
      yield* use({ filename: file }, (store) => store.remove("s"))
      assert.isBelow(size(), 200_000)
    }))

  it.live("has whole appends of processes that were killed, and all that they heard was kept", () =>
    Effect.gen(function*() {
      const file = yield* filename
      const owners = ["a", "b", "c"]
      const counts = yield* Effect.forEach(
        owners,
        (owner, index) =>
          Effect.flatMap(appending(file, owner, owner), ({ killedAfter }) => killedAfter(10 + 7 * index)),
        {
          concurrency: "unbounded"
        }
      )
      yield* use(
        { filename: file },
        (store) =>
          Effect.forEach(owners, (owner, index) =>
            Effect.map(store.load(owner), ({ records }) => {
              const texts = textsOf(records).map((text) => text.replace(/^\d+ /, ""))
              const kept = texts.length / 2
              // It may have been killed before it could say the last one.
              assert.include([counts[index]!, counts[index]! + 1], kept)
              assert.deepStrictEqual(
                texts,
                Array.from({ length: kept }, (_, at) => [`${at + 1} first`, `${at + 1} second`]).flat()
              )
            }))
      )
    }).pipe(Effect.scoped, Effect.timeout("50 seconds")))

  it.live("has nothing of an owner after that of a later one, however many take a session from each other", () =>
    Effect.gen(function*() {
      const file = yield* filename
      const owners = ["a", "b", "c"]
      const counts = yield* Effect.forEach(
        owners,
        (owner) => Effect.flatMap(appending(file, "s", owner), ({ killedAfter }) => killedAfter(20)),
        { concurrency: "unbounded" }
      )
      const { records } = yield* use({ filename: file }, (store) => store.load("s"))
      const epochs = textsOf(records).map((text) => Number(text.split(" ")[0]))
      assert.deepStrictEqual(epochs, epochs.toSorted((one, other) => one - other))
      assert.isAtLeast(new Set(epochs).size, 3)
      for (const [index, owner] of owners.entries()) {
        const own = textsOf(records.filter((record) => "cellId" in record && record.cellId === cell(owner)))
        assert.include([counts[index]!, counts[index]! + 1], own.length / 2)
      }
    }).pipe(Effect.scoped, Effect.timeout("50 seconds")))
})
