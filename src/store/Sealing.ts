/**
 * A store whose records are encrypted before another store has them.
 *
 * **Details**
 *
 * AES-256-GCM, with a key for each session that is derived from the one that was given: a random nonce is good for so many
 * records under one key. What a store has to see of a record stays readable, and is bound to it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Buffer } from "node:buffer"
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto"
import { Remembered } from "../data/Remembered.ts"
import { StoreFailure } from "../Protocol.ts"
import type { Contract } from "./Contract.ts"
import * as Record from "./Record.ts"

export interface Key {
  readonly id: string
  readonly secret: Redacted.Redacted<string>
}

type Sealed = Extract<Record.Record, { readonly _tag: "Sealed" }>

const algorithm = "aes-256-gcm"
const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16

const wrongKey = (text: string, cause?: unknown) =>
  new StoreFailure({ reason: "WrongKey", text, ...(cause === undefined ? {} : { cause }) })

const read = ({ id, secret }: Key): Effect.Effect<readonly [string, Buffer], StoreFailure> =>
  Effect.suspend(() => {
    const text = Redacted.value(secret).trim()
    const bytes = Buffer.from(text, "base64")
    return bytes.length === keyBytes && /^[\w+/-]+=?$/.test(text)
      ? Effect.succeed([id, bytes] as const)
      : Effect.fail(wrongKey(`key ${id} is not ${keyBytes} bytes in base64`))
  })

/** What is readable of a sealed record, as it is bound to the rest. */
const bound = ({ cellId, key, kind, version }: Record.Label & { readonly key: string }) =>
  Buffer.from(JSON.stringify([kind, cellId ?? null, version ?? null, key]))

export const make = Effect.fnUntraced(function*(
  store: Contract,
  options: { readonly key: Key; readonly olderKeys?: ReadonlyArray<Key> | undefined }
): Effect.fn.Return<Contract, StoreFailure> {
  const keys = new Map(yield* Effect.forEach([...(options.olderKeys ?? []), options.key], read))
  const current = options.key.id
  const derived = new Remembered<string, Buffer>(1024)

  const keyOf = (session: string, id: string): Buffer | undefined => {
    const name = JSON.stringify([id, session])
    const secret = keys.get(id)
    const before = derived.get(name)
    if (before !== undefined || secret === undefined) {
      return before
    }
    const key = Buffer.from(hkdfSync("sha256", secret, "", `effect-code-mode/Store ${session}`, keyBytes))
    derived.set(name, key)
    return key
  }

  const seal = (session: string, record: Record.Record): Effect.Effect<Sealed> =>
    Effect.map(Effect.orDie(Record.encode(record)), (text) => {
      const label = Record.labelOf(record)
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv(algorithm, keyOf(session, current)!, nonce)
      cipher.setAAD(bound({ ...label, key: current }))
      const data = Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()])
      return {
        _tag: "Sealed",
        kind: label.kind,
        ...(label.cellId === undefined ? {} : { cellId: label.cellId }),
        ...(label.version === undefined ? {} : { version: label.version }),
        key: current,
        data: data.toString("base64")
      }
    })

  const open = (session: string, record: Record.Record): Effect.Effect<string, StoreFailure> =>
    Effect.suspend(() => {
      if (record._tag !== "Sealed") {
        return Effect.fail(wrongKey(`session ${session} is not encrypted`))
      }
      const key = keyOf(session, record.key)
      if (key === undefined) {
        return Effect.fail(wrongKey(`session ${session} is encrypted with key ${record.key}, which was not given`))
      }
      return Effect.try({
        try: () => {
          const data = Buffer.from(record.data, "base64")
          const decipher = createDecipheriv(algorithm, key, data.subarray(0, nonceBytes), { authTagLength: tagBytes })
          decipher.setAAD(bound({ ...Record.labelOf(record), key: record.key }))
          decipher.setAuthTag(data.subarray(-tagBytes))
          return decipher.update(data.subarray(nonceBytes, -tagBytes), undefined, "utf8") + decipher.final("utf8")
        },
        catch: (cause) =>
          wrongKey(
            `session ${session} cannot be read with key ${record.key}: it is another one, or the store is damaged`,
            cause
          )
      })
    })

  return {
    ...store,
    append: (session, epoch, records, options) =>
      Effect.flatMap(
        Effect.forEach(records, (record) => seal(session, record)),
        (sealed) => store.append(session, epoch, sealed, options)
      ),
    load: (session, options) =>
      Effect.flatMap(
        store.load(session, options),
        (journal) =>
          Effect.forEach(journal.records, (record) => open(session, record)).pipe(
            Effect.flatMap(Record.decode),
            Effect.map((records) => ({ session, records }))
          )
      )
  }
})
