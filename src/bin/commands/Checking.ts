/**
 * `--check`: sources are checked before they run.
 *
 * @internal
 */
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import type * as Check from "../../Check.ts"
import { Delegate } from "../../Delegate.ts"
import type { CellRequest } from "../../Protocol.ts"
import { foreign, text } from "../terminal/Printable.ts"
import * as Printer from "../terminal/Printer.ts"
import * as Failure from "./Failure.ts"

export const flag = Flag.Literals("check", ["off", "names", "strict"]).pipe(
  Flag.withOptionalValue("names"),
  Flag.withDescription(
    "Check a cell before it runs: the names and arguments of its tools, or with strict, all its types. Needs typescript 7"
  ),
  Flag.withDefault("off")
)

/** The mistakes of a source. Without the flag there are none. */
export type Checker = (
  source: string,
  language?: CellRequest["language"]
) => Effect.Effect<ReadonlyArray<Check.Finding>>

export type Level = "off" | Check.Level

/** What checks the sources of models, if the flag asks for it. */
export const forModels = Effect.fnUntraced(function*(level: Level) {
  if (level === "off") {
    return undefined
  }
  const Check = yield* Effect.promise(() => import("../../Check.ts"))
  const { check } = yield* Check.make().pipe(Effect.mapError(Failure.ofStart))
  return { level, check }
})

/** What checks the sources of a user. Where a check fails, the user hears of it, and the cell runs. */
export const make = Effect.fnUntraced(function*(asked: Level) {
  const checker = yield* forModels(asked)
  if (checker === undefined) {
    return (() => Effect.succeed([])) satisfies Checker
  }
  const { check, level } = checker
  const delegate = yield* Delegate
  return ((source, language) =>
    Effect.catch(
      Effect.suspend(() => check({ source, language, level, tools: delegate.tools })),
      ({ message }) =>
        Effect.as(Printer.tell(text`the cell is not checked: ${foreign("failure of a check", message, "quote")}`), [])
    )) satisfies Checker
})
