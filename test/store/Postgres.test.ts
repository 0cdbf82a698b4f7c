import { assert, describe, it } from "@effect/vitest"
import type * as Protocol from "effect-code-mode/Protocol"
import * as Store from "effect-code-mode/Store"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as Database from "../postgres/Database.ts"
import { cell, contract, created, output } from "./Contract.ts"

let stores = 0

const client = Layer.unwrap(Effect.map(Database.socket, Database.clientOf))

/** The tables of no other one. */
const newPrefix = () => `Store "${++stores}"`

const use = <A, E>(
  prefix: string,
  body: (store: Store.Store["Service"], sql: SqlClient.SqlClient) => Effect.Effect<A, E>,
  options?: Store.PostgresOptions
) =>
  Effect.gen(function*() {
    return yield* body(yield* Store.Store, yield* SqlClient.SqlClient)
  }).pipe(Effect.provide(Layer.provideMerge(Store.layerPostgres({ ...options, prefix }), client), { local: true }))

describe.skipIf(Database.missing)(`PostgreSQL${Database.missing === undefined ? "" : `: ${Database.missing}`}`, () => {
  contract({
    name: "in a database",
    runs: 15,
    layer: (bounds) => Store.layerPostgres({ ...bounds, prefix: newPrefix() }).pipe(Layer.provide(client))
  })

  it.live("has its tables made once by all who start at the same time", () =>
    Effect.gen(function*() {
      const prefix = newPrefix()
      yield* Effect.forEach(
        Array.from({ length: 8 }, (_, index) => index),
        (index) => use(prefix, (store) => store.claim(`${index}`, "a", 0)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual((yield* use(prefix, (store) => store.list)).length, 8)
    }))

  it.live("refuses an append of an owner whose session was claimed while it waited for the row", () =>
    use(newPrefix(), (store, sql) =>
      Effect.gen(function*() {
        const epoch = yield* store.claim("s", "a", 0)
        yield* store.append("s", epoch, [created("one")])
        const table = sql(`Store "${stores}"_sessions`)
        const late = yield* sql.withTransaction(Effect.gen(function*() {
          yield* sql`SELECT * FROM ${table} FOR UPDATE`
          const late = yield* Effect.forkChild(Effect.flip(store.append("s", epoch, [output("one", "late")])))
          // It waits for the row that this transaction has.
          yield* Effect.repeat(sql`SELECT FROM pg_locks WHERE NOT granted`, { until: (rows) => rows.length > 0 })
          yield* sql`UPDATE ${table} SET epoch = epoch + 1, owner = 'b'`
          return late
        }))
        assert.strictEqual((yield* Fiber.join(late))._tag, "Fenced")
        assert.strictEqual((yield* store.load("s")).records.length, 1)
      })))

  it.live("says when the database cannot be reached, does not answer, or was made by a newer version", () =>
    Effect.gen(function*() {
      const failureOf = (effect: Effect.Effect<unknown, unknown>) =>
        Effect.map(Effect.flip(effect), (error) => {
          const { reason, text } = error as Protocol.StoreFailure
          return [reason, text]
        })
      const prefix = newPrefix()
      yield* use(prefix, (store, sql) =>
        Effect.gen(function*() {
          const epoch = yield* store.claim("s", "a", 0)
          yield* sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()`
          // Reading is tried again.
          assert.deepStrictEqual((yield* store.load("s")).records, [])
          yield* store.append("s", epoch, [created("one")])
          const stuck = yield* sql.withTransaction(
            Effect.andThen(
              sql`LOCK TABLE ${sql(`${prefix}_sessions`)}`,
              failureOf(store.append("s", epoch, [output("one", "late")]))
            )
          )
          assert.deepStrictEqual(stuck, ["Unavailable", "the database does not answer"])
          assert.deepStrictEqual((yield* store.load("s", { cell: cell("one") })).records.length, 1)
          yield* sql`UPDATE ${sql(`${prefix}_version`)} SET version = 2`
        }), { patience: "1 second" })
      assert.deepStrictEqual(yield* failureOf(use(prefix, () => Effect.void)), [
        "NewerVersion",
        "the database was made by a newer version of effect-code-mode"
      ])
    }))
})
