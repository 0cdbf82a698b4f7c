/**
 * Images and recordings that a cell puts out, and the files that `--save-media DIR` makes of them.
 *
 * @internal
 */
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type { OutputItem } from "../../Protocol.ts"
import * as Failure from "../commands/Failure.ts"
import * as PathFlag from "../commands/PathFlag.ts"
import { foreign, text } from "../terminal/Printable.ts"

export const flag = PathFlag.make("save-media").pipe(
  Flag.withMetavar("DIR"),
  Flag.withDescription("Save images and recordings to files of this folder"),
  Flag.optional
)

/** An item that is not text. */
export interface Media {
  readonly kind: "image" | "audio"
  /** Empty where the URL does not say. */
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/** Media in a file. */
export interface Saved extends Media {
  readonly path: string
}

const dataUrl = /^data:(?<type>[^;,]*)[^,]*?(?<base64>;base64)?,(?<data>[^]*)$/i

/** What there is in an item that is not text. A URL that is no data URL has nothing in it. */
export const fromItem = (item: Exclude<OutputItem, { readonly type: "input_text" }>): Media => {
  const [kind, url] = item.type === "input_image"
    ? ["image", item.image_url] as const
    : ["audio", item.audio_url] as const
  const { base64, data = "", type = "" } = dataUrl.exec(url)?.groups ?? {}
  return { kind, mediaType: type, bytes: Buffer.from(data, base64 === undefined ? "utf8" : "base64") }
}

const extensions: Readonly<Record<string, string>> = {
  "image/jpeg": "jpg",
  "image/svg+xml": "svg",
  "audio/mpeg": "mp3",
  "audio/x-wav": "wav",
  "audio/mp4": "m4a"
}

/** Only what says that it is media has a name that programs go by, and a short one. */
const extension = (mediaType: string) => {
  const known = mediaType.toLowerCase()
  return extensions[known] ?? /^(?:image|audio)\/(?<name>[a-z0-9]{1,16})[a-z0-9]*$/.exec(known)?.groups?.name ?? "bin"
}

/** Saves media to files of a folder: `image-1.png`, `audio-2.wav`, …, past those that are there. */
export const saver = Effect.fnUntraced(function*(folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const failed = (error: PlatformError) =>
    Failure.toStart(text`--save-media ${foreign("folder for media", folder, "word")}: ${Failure.ofFile(error)}`)
  yield* Effect.mapError(fs.makeDirectory(folder, { recursive: true }), failed)
  let count = 0

  return Effect.fnUntraced(function*(media: Media) {
    const attempt = Effect.suspend(() => {
      const file = path.join(folder, `${media.kind}-${++count}.${extension(media.mediaType)}`)
      return Effect.as(fs.writeFile(file, media.bytes, { flag: "wx" }), file)
    })
    const saved = yield* attempt.pipe(
      Effect.retry({ while: ({ reason }) => reason._tag === "AlreadyExists" }),
      // The cell has run.
      Effect.mapError((error) => new Failure.Failure({ text: failed(error).text, status: Failure.status.cell }))
    )
    return { ...media, path: saved } satisfies Saved
  })
})

/** What saves media, where the flag asks for it. */
export const fromFlag = (folder: Option.Option<string>) =>
  Option.isSome(folder) ? saver(folder.value) : Effect.succeed(undefined)

export type Save = Effect.Success<ReturnType<typeof saver>>
