/**
 * The source of a cell: a file, or standard input.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { isAbsolute } from "node:path"
import * as Failure from "./Failure.ts"

export interface Source {
  /** What to call it in messages. */
  readonly label: string
  readonly text: string
  readonly language: "javascript" | "typescript"
}

const readStandardInput = Stdio.Stdio.use(({ stdin }) => Stream.mkString(Stream.decodeText(stdin)))

/** `-` is standard input. The name says which language it is. */
export const read = Effect.fn("Source.read")(function*(path: string) {
  const label = path === "-" ? "<stdin>" : path
  const fs = yield* FileSystem.FileSystem
  const text = yield* (path === "-" ? readStandardInput : fs.readFileString(path)).pipe(
    Effect.mapError((error) =>
      Failure.toStart({
        message: error.reason._tag !== "NotFound"
          ? `cannot read ${label}: ${Failure.ofFile(error)}`
          : isAbsolute(path)
          ? `there is no file ${path}`
          : `there is no file ${path} in ${process.cwd()}`
      })
    )
  )
  return { label, text, language: /\.m?ts$/.test(path) ? "typescript" : "javascript" } satisfies Source
})
