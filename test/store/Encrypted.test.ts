import { assert, describe, it } from "@effect/vitest"
import type * as Protocol from "effect-code-mode/Protocol"
import * as Store from "effect-code-mode/Store"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import { cell, contract, created, output, stored } from "./Contract.ts"

const key = (id: string): Store.Key => ({ id, secret: Redacted.make(randomBytes(32).toString("base64")) })

const old = key("old")
const current = key("current")

/** What is encrypted takes more room. */
const roomier = (bounds: Store.Bounds = {}): Store.Bounds => ({
  maxRecordBytes: bounds.maxRecordBytes && bounds.maxRecordBytes * 1.6,
  maxCellBytes: bounds.maxCellBytes && bounds.maxCellBytes * 1.7,
  maxSessionBytes: bounds.maxSessionBytes && bounds.maxSessionBytes * 1.7
})

contract({
  name: "that is encrypted",
  layer: (bounds) => Store.layerEncrypted({ key: current }).pipe(Layer.provide(Store.layerMemory(roomier(bounds))))
})

/** The same store with and without keys. */
const withStores = <A, E>(
  body: (
    plain: Store.Store["Service"],
    withKeys: (...keys: readonly [Store.Key, ...Array<Store.Key>]) => Effect.Effect<
      Store.Store["Service"],
      Protocol.StoreFailure
    >
  ) => Effect.Effect<A, E>
) =>
  Effect.flatMap(Store.Store, (plain) =>
    body(plain, (key, ...olderKeys) =>
      Effect.provide(
        Effect.service(Store.Store),
        Store.layerEncrypted({ key, olderKeys }).pipe(Layer.provide(Layer.succeed(Store.Store, plain))),
        { local: true }
      ))).pipe(Effect.provide(Store.layerMemory(), { local: true }))

const records = [
  created("one", { source: "text('secret')" }),
  output("one", "secret"),
  stored("one", 1, [["secret", "\"secret\""]])
]

describe("a store that is encrypted", () => {
  it.effect("shows nothing of what records say to the store below", () =>
    withStores((plain, withKeys) =>
      Effect.gen(function*() {
        const store = yield* withKeys(current)
        const epoch = yield* store.claim("s", "a", "1 hour")
        yield* store.append("s", epoch, [...records, ...records])
        const below = (yield* plain.load("s")).records
        assert.deepStrictEqual(
          below.map((record) => record._tag === "Sealed" && [record.kind, record.cellId, record.version, record.key]),
          [...records, ...records].map((record) => [
            record._tag,
            cell("one"),
            record._tag === "Stored" ? 1 : undefined,
            "current"
          ])
        )
        assert.notInclude(JSON.stringify(below), "secret")
        // The same record is never the same twice.
        assert.strictEqual(new Set(below.map((record) => record._tag === "Sealed" && record.data)).size, 6)
        assert.deepStrictEqual((yield* store.load("s")).records, [...records, ...records])
      })
    ))

  it.effect("reads what older keys have encrypted, and says which one is missing or wrong", () =>
    withStores((_, withKeys) =>
      Effect.gen(function*() {
        const before = yield* withKeys(old)
        const epoch = yield* before.claim("s", "a", "1 hour")
        yield* before.append("s", epoch, records)
        const after = yield* withKeys(current, old)
        yield* after.append("s", epoch, [output("one", "later")])
        assert.deepStrictEqual((yield* after.load("s")).records, [...records, output("one", "later")])

        const failureOf = (store: Store.Store["Service"]) =>
          Effect.map(Effect.flip(store.load("s")), ({ reason, text }) => [reason, text])
        assert.deepStrictEqual(yield* failureOf(before), [
          "WrongKey",
          "session s is encrypted with key current, which was not given"
        ])
        assert.deepStrictEqual(yield* failureOf(yield* withKeys(current, key("old"))), [
          "WrongKey",
          "session s cannot be read with key old: it is another one, or the store is damaged"
        ])
      })
    ))

  it.effect("refuses records that were changed, moved, or never encrypted", () =>
    withStores((plain, withKeys) =>
      Effect.gen(function*() {
        const store = yield* withKeys(current)
        const epoch = yield* store.claim("s", "a", "1 hour")
        yield* store.append("s", epoch, records)
        const [sealed] = (yield* plain.load("s")).records
        assert(sealed?._tag === "Sealed")
        const data = sealed.data.replace(/^.{40}/, (start) => start.toLowerCase() + "A".repeat(40 - start.length))
        const forged: ReadonlyArray<readonly [string, Store.Record]> = [
          ["changed", { ...sealed, data: data === sealed.data ? `AAAA${data.slice(4)}` : data }],
          ["short", { ...sealed, data: "" }],
          ["of another cell", { ...sealed, cellId: cell("two") }],
          ["of another kind", { ...sealed, kind: "Output" }],
          ["of another session", sealed],
          ["plain", records[0]!]
        ]
        for (const [session, record] of forged) {
          yield* plain.append(session, yield* plain.claim(session, "a", 0), [record])
          assert.strictEqual((yield* Effect.flip(store.load(session))).reason, "WrongKey", session)
        }
      })
    ))

  it.effect("says that a key is no key, and does not show it", () =>
    withStores((_, withKeys) =>
      Effect.gen(function*() {
        for (const secret of ["", "too short", "x".repeat(44), randomBytes(31).toString("base64")]) {
          const error = yield* Effect.flip(withKeys({ id: "mine", secret: Redacted.make(secret) }))
          assert.deepStrictEqual([error.reason, error.text], ["WrongKey", "key mine is not 32 bytes in base64"])
        }
      })
    ))
})
