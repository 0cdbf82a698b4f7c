/**
 * Opens the store of a file. It is loaded when it is used.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { StoreFailure } from "../../Protocol.ts"
import * as Store from "../../Store.ts"
import { foreign, type Printable, text } from "../terminal/Printable.ts"
import * as Failure from "./Failure.ts"
import * as InputFile from "./InputFile.ts"
import type * as StoreFlag from "./StoreFlag.ts"

export const ofStore = ({ text: reason }: StoreFailure): Failure.Failure =>
  Failure.toStart(foreign("error of a store", reason, "quote"))

const maxKeysBytes = 2 ** 20

const readKeys = Effect.fnUntraced(function*(path: string) {
  const label = text`--store-keys ${foreign("file of keys", path, "word")}`
  const refuse = (reason: Printable) => Failure.toStart(text`${label}: ${reason}`)
  const content = yield* InputFile.read(path, { maxBytes: maxKeysBytes, pipes: true }).pipe(
    Effect.mapError(({ text: reason }) => refuse(reason))
  )
  const lines = content.split("\n").map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"))
  const [key, ...olderKeys] = yield* Effect.forEach(lines, (line): Effect.Effect<Store.Key, Failure.Failure> => {
    const [id, secret, ...rest] = line.split(/\s+/)
    return secret === undefined || rest.length > 0
      ? Effect.fail(refuse(text`a line has a name and a key, and nothing else`))
      : Effect.succeed({ id: id!, secret: Redacted.make(secret) })
  })
  return key === undefined ? yield* refuse(text`it has no keys`) : { key, olderKeys }
})

/** The store of a file. */
export const layerOf = (filename: string, keys: Option.Option<string>) =>
  Layer.unwrap(
    Effect.gen(function*() {
      const file = Store.layerSqlite({ filename })
      return Option.isNone(keys)
        ? file
        : Store.layerEncrypted(yield* readKeys(keys.value)).pipe(Layer.provide(file))
    })
  )

/** The store that is there. */
export const layer = ({ store, storeKeys }: StoreFlag.Flags) =>
  Layer.unwrap(
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      yield* fs.access(store).pipe(
        Effect.mapError((error) =>
          Failure.toStart(
            text`--store ${foreign("store that is not there", store, "word")}: ${Failure.ofFile(error)}`
          )
        )
      )
      return layerOf(store, storeKeys)
    })
  )

/** What the store knows of a session that has to be there. */
export const find = Effect.fnUntraced(function*(session: string) {
  const store = yield* Store.Store
  const summary = (yield* store.list).find((each) => each.session === session)
  return summary ??
    (yield* Failure.toStart(text`there is no session ${foreign("session that is not there", session, "word")}`))
})
