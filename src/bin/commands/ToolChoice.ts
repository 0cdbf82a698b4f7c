/**
 * `--allow GLOB` and `--deny GLOB`: which of the tools a cell gets.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { matchesGlob } from "node:path"
import { type Delegate, filter, mapLayer } from "../../Delegate.ts"
import * as Identifier from "../../text/Identifier.ts"
import { foreign, text } from "../terminal/Printable.ts"
import * as Failure from "./Failure.ts"

export interface Choice {
  /** Without any, every tool is allowed. */
  readonly allow: ReadonlyArray<string>
  readonly deny: ReadonlyArray<string>
}

const narrowed = ({ allow, deny }: Choice) =>
  Effect.fnUntraced(function*(delegate: Delegate["Service"]) {
    const matches = (globs: ReadonlyArray<string>) => ({ name }: { readonly name: string }) =>
      globs.some((glob) => matchesGlob(Identifier.fromName(name), glob))
    for (const [flag, globs] of [["--allow", allow], ["--deny", deny]] as const) {
      const idle = globs.find((glob) => !delegate.tools.some(matches([glob])))
      if (idle !== undefined) {
        return yield* Failure.toStart(
          text`${flag} '${foreign("glob", idle, "word")}' matches no tool; --list-tools without it shows their names`
        )
      }
    }
    const allowed = allow.length === 0 ? () => true : matches(allow)
    const denied = matches(deny)
    return filter(delegate, (tool) => allowed(tool) && !denied(tool))
  })

/** The delegate of `layer`, with fewer tools. A glob that matches none is an error: it would hide a misspelling. */
export const layer = <E, R>(
  choice: Choice,
  layer: Layer.Layer<Delegate, E, R>
): Layer.Layer<Delegate, E | Failure.Failure, R> => mapLayer(narrowed(choice))(layer)
