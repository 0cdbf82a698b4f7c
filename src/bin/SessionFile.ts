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

/** Writes the values in one step: whatever happens, the file is the old one or the new one. */
export const write = Effect.fn("SessionFile.write")(function*(file: Option.Option<string>, storedValues: StoredValues) {
  if (Option.isNone(file)) {
    return
  }
  const path = file.value
  const fs = yield* FileSystem.FileSystem
  // A link stays a link.
  const target = yield* Effect.orElseSucceed(fs.realPath(path), () => path)
  const next = `${target}.${process.pid}.tmp`
  const text = `${JSON.stringify({ version: 1, storedValues } satisfies typeof Session.Type, undefined, 2)}\n`
  yield* Effect.scoped(Effect.gen(function*() {
    const file = yield* fs.open(next, { flag: "w", mode: 0o600 })
    yield* file.writeAll(Buffer.from(text))
    yield* file.sync
  })).pipe(
    Effect.andThen(fs.rename(next, target)),
    Effect.onError(() => Effect.ignore(fs.remove(next))),
    Effect.mapError((error) =>
      Failure.toCell({
        message: `effect-code-mode: --session ${path}: the stored values are not kept: ${Failure.ofFile(error)}`
      })
    )
  )
})
