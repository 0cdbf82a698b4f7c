/**
 * `--config FILE`: the servers of a configuration file, as other clients keep it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Config from "../../mcp/Config.ts"
import * as JsonText from "../../text/JsonText.ts"
import { foreign, type Printable, text } from "../terminal/Printable.ts"
import * as Failure from "./Failure.ts"
import * as InputFile from "./InputFile.ts"
import * as Json from "./Json.ts"

const maxBytes = 2 ** 24

/** The servers of a file, except for those that it says are not to be used. */
export const read = Effect.fn("ConfigFile.read")(function*(path: string) {
  const fail = (problem: Printable) =>
    Failure.toStart(text`--config ${foreign("config file", path, "word")}: ${problem}`)
  const source = yield* Effect.mapError(InputFile.read(path, { maxBytes, pipes: true }), (error) => fail(error.text))
  yield* Effect.mapError(Json.checkNesting(source, JsonText.maxDepth), (problem) => fail(problem.text))
  return yield* Effect.mapError(
    Config.decode(source, path),
    (problem) => fail(foreign("problem in a config file", problem, "quote"))
  )
})
