/**
 * JSON that others have written.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { foreign, type Printable, text } from "../terminal/Printable.ts"

const isNestedDeeper = (json: string, maxNesting: number): boolean => {
  let depth = 0
  let isQuoted = false
  for (let at = 0; at < json.length; at++) {
    switch (json[at]) {
      case "\"":
        isQuoted = !isQuoted
        break
      case "\\":
        at++
        break
      case "[":
      case "{":
        depth += isQuoted ? 0 : 1
        break
      case "]":
      case "}":
        depth -= isQuoted ? 0 : 1
    }
    if (depth > maxNesting) {
      return true
    }
  }
  return false
}

/** Why text is not taken for JSON. */
export interface Problem {
  readonly text: Printable
  readonly isTooDeep: boolean
}

/** Text of JSON that is nested too deeply is not taken: what walks over it later does so recursively. */
export const checkNesting = (json: string, maxNesting: number): Effect.Effect<void, Problem> =>
  isNestedDeeper(json, maxNesting)
    ? Effect.fail({ text: text`it is nested deeper than ${maxNesting} levels`, isTooDeep: true })
    : Effect.void

/** Parses JSON that has a bound on its depth. */
export const parse = (json: string, maxNesting: number): Effect.Effect<unknown, Problem> =>
  Effect.andThen(
    checkNesting(json, maxNesting),
    Effect.try({
      try: (): unknown => JSON.parse(json),
      catch: (error) => ({
        text: text`it is not JSON: ${foreign("error in JSON", (error as Error).message, "quote")}`,
        isTooDeep: false
      })
    })
  )
