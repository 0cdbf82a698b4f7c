/**
 * `--session FILE`: the stored values of a session, kept between runs.
 *
 * @internal
 */
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { dirname } from "node:path"
import * as AtomicFile from "./AtomicFile.ts"
import * as Failure from "./Failure.ts"
import * as PathFlag from "./PathFlag.ts"

export const flag = PathFlag.make("session").pipe(
  Flag.withMetavar("FILE"),
  Flag.withDescription("Keep what cells store in this file, for later runs"),
  Flag.optional
)

/** What a session file holds. */
export const Session = Schema.Struct({
  version: Schema.Literal(1),
  storedValues: Schema.Record(Schema.String, Schema.Json)
})

const SessionJson = Schema.fromJsonString(Session)
const decode = Schema.decodeUnknownEffect(SessionJson)

export type StoredValues = typeof Session.Type["storedValues"]

/** What is longer has no indentation: with it, it could be many times as long. */
const maxIndented = 2 ** 20

/** The values in a file; none where there is no file, or none yet. */
export const read = Effect.fn("SessionFile.read")(function*(file: Option.Option<string>) {
  if (Option.isNone(file)) {
    return {}
  }
  const path = file.value
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(path).pipe(
    // What a cell stores should not be lost for want of a folder.
    Effect.catchIf(
      ({ reason }) => reason._tag === "NotFound",
      () => Effect.as(fs.access(dirname(path), { writable: true }), undefined)
    ),
    Effect.mapError((error) => Failure.toStart({ message: `--session ${path}: ${Failure.ofFile(error)}` }))
  )
  if (text === undefined) {
    return {}
  }
  const { storedValues } = yield* decode(text).pipe(
    Effect.mapError(() =>
      Failure.toStart({
        message: `--session ${path}: this is no session file, or a damaged one; move it away to begin a new session`
      })
    )
  )
  return storedValues
})

const toJson = (storedValues: StoredValues) => {
  const session: typeof Session.Type = { version: 1, storedValues }
  const json = JSON.stringify(session)
  return json.length > maxIndented ? json : JSON.stringify(session, undefined, 2)
}

/** Writes the values in one step. */
export const write = Effect.fn("SessionFile.write")(function*(file: Option.Option<string>, storedValues: StoredValues) {
  if (Option.isNone(file)) {
    return
  }
  const path = file.value
  yield* AtomicFile.replace(path, `${toJson(storedValues)}\n`).pipe(
    Effect.mapError((error) =>
      Failure.toCell({
        message: `effect-code-mode: --session ${path}: the stored values are not kept: ${Failure.ofFile(error)}`
      })
    )
  )
})
