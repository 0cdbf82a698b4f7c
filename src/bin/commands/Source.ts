/**
 * The source of a cell: a file, or standard input.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Stdio from "effect/Stdio"
import { fstatSync } from "node:fs"
import { isAbsolute } from "node:path"
import { Limits } from "../../Protocol.ts"
import { foreign, type Printable, text } from "../terminal/Printable.ts"
import * as Failure from "./Failure.ts"
import * as InputFile from "./InputFile.ts"

export interface Source {
  /** What to call it in messages. */
  readonly label: Printable
  readonly text: string
  readonly language: "javascript" | "typescript"
}

const { maxSourceBytes } = Limits.make({})

/** Node takes a folder for an input that has ended. */
const refuseFolder = Effect.suspend(() =>
  fstatSync(0).isDirectory()
    ? Effect.fail(new InputFile.Unreadable({ text: text`it is a folder`, isMissing: false }))
    : Effect.void
)

const readStandardInput = Stdio.Stdio.use(({ stdin }) =>
  Effect.andThen(refuseFolder, InputFile.decode(stdin, maxSourceBytes))
)

const content = (path: string): Effect.Effect<string, InputFile.Unreadable, FileSystem.FileSystem | Stdio.Stdio> =>
  path === "-" ? readStandardInput : InputFile.read(path, { maxBytes: maxSourceBytes, pipes: true })

/** `-` is standard input. The name says which language it is. */
export const read = Effect.fn("Source.read")(function*(path: string) {
  const label = path === "-" ? text`<stdin>` : foreign("file of a cell", path, "word")
  const source = yield* content(path).pipe(
    Effect.mapError(({ isMissing, text: reason }) =>
      Failure.toStart(
        !isMissing
          ? text`cannot read ${label}: ${reason}`
          : isAbsolute(path)
          ? text`there is no file ${label}`
          : text`there is no file ${label} in ${foreign("working folder", process.cwd(), "word")}`
      )
    )
  )
  return {
    label,
    text: source,
    language: /\.m?ts$/.test(path) ? "typescript" : "javascript"
  } satisfies Source
})
