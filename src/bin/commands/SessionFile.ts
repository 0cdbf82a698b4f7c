/**
 * `--session FILE`: the stored values of a session, kept between runs.
 *
 * @internal
 */
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as JsonText from "../../text/JsonText.ts"
import { empty, foreign, type Printable, text } from "../terminal/Printable.ts"
import * as AtomicFile from "./AtomicFile.ts"
import * as Failure from "./Failure.ts"
import * as InputFile from "./InputFile.ts"
import * as Json from "./Json.ts"
import * as PathFlag from "./PathFlag.ts"

export const flag = PathFlag.make("session").pipe(
  Flag.withMetavar("FILE"),
  Flag.withDescription("Keep what cells store in this file, for later runs"),
  Flag.optional
)

/** What a session file holds. */
const Session = Schema.Struct({
  version: Schema.Literal(1),
  storedValues: Schema.Record(Schema.String, Schema.Json)
})

const decode = Schema.decodeUnknownEffect(Session)

export type StoredValues = typeof Session.Type["storedValues"]

/** More than the values of a session can take. */
const maxBytes = 2 ** 28

/** A stored value may have 127 levels, and stands two levels deep. */
const maxNesting = JsonText.maxDepth + 2

/** What is longer has no indentation: with it, it could be many times as long. */
const maxIndented = 2 ** 20

/** The values in a file; none where there is no file, or none yet. */
export const read = Effect.fn("SessionFile.read")(function*(file: Option.Option<string>) {
  if (Option.isNone(file)) {
    return {}
  }
  const path = file.value
  const label = text`--session ${foreign("session file that is read", path, "word")}`
  const content = yield* InputFile.read(path, { maxBytes, pipes: false }).pipe(
    Effect.catchIf(({ isMissing }) => isMissing, () => Effect.succeed(undefined)),
    // What a cell stores should not be lost for want of a folder that takes it.
    Effect.tap(() => Effect.mapError(AtomicFile.rehearse(path), (error) => ({ text: Failure.ofFile(error) }))),
    Effect.mapError(({ text: reason }) => Failure.toStart(text`${label}: ${reason}`))
  )
  if (content === undefined) {
    return {}
  }
  const damaged = (why: Printable) =>
    Failure.toStart(
      text`${label}: this is no session file, or a damaged one${why}; move it away to begin a new session`
    )
  const json = yield* Effect.mapError(
    Json.parse(content, maxNesting),
    (problem) => damaged(problem.isTooDeep ? text` (${problem.text})` : empty)
  )
  const { storedValues } = yield* Effect.mapError(decode(json), () => damaged(empty))
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
  const label = text`effect-code-mode: --session ${foreign("session file that is written", file.value, "word")}`
  yield* AtomicFile.replace(file.value, `${toJson(storedValues)}\n`).pipe(
    Effect.mapError((error) => Failure.toCell(text`${label}: the stored values are not kept: ${Failure.ofFile(error)}`))
  )
})
