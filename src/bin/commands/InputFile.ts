/**
 * Reads the files that the command line names. Whatever they are, it comes to an end: there is a bound on how much is
 * read, and nothing is opened that could make a thread of ours wait.
 *
 * @internal
 */
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { type PlatformError, systemError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { constants, open } from "node:fs"
import { Socket } from "node:net"
import { isPrintable, type Printable, text } from "../terminal/Printable.ts"
import * as Failure from "./Failure.ts"

/** Why a file cannot be read. */
export class Unreadable extends Schema.TaggedError<Unreadable>("effect-code-mode/bin/Unreadable")("Unreadable", {
  text: Schema.declare(isPrintable),
  /** Whether it is because there is none. */
  isMissing: Schema.Boolean
}) {}

const because = (text: Printable) => new Unreadable({ text, isMissing: false })

const tooLarge = (maxBytes: number) => Effect.fail(because(text`it is larger than ${maxBytes / 2 ** 20} MiB`))

const ofPlatform = (error: PlatformError) =>
  new Unreadable({ text: Failure.ofFile(error), isMissing: error.reason._tag === "NotFound" })

export interface Options {
  readonly maxBytes: number
  /** Whether it may be a named pipe, as the shell makes for `<(command)`. */
  readonly pipes: boolean
}

/** The text of a stream of bytes that has a bound. */
export const decode = Effect.fnUntraced(function*<R>(
  bytes: Stream.Stream<Uint8Array, PlatformError, R>,
  maxBytes: number
) {
  const chunks: Array<Uint8Array> = []
  let size = 0
  yield* Stream.runForEach(bytes, (chunk) => {
    chunks.push(chunk)
    size += chunk.length
    return size > maxBytes ? tooLarge(maxBytes) : Effect.void
  }).pipe(Effect.catchTag("PlatformError", ofPlatform))
  return yield* Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks)),
    catch: () => because(text`it is not UTF-8 text`)
  })
})

const failed = (cause: unknown) => systemError({ module: "InputFile", method: "read", _tag: "Unknown", cause })

/** The end of a pipe. To open it does not wait for a writer, and to read it takes no thread. */
const openPipe = (path: string) =>
  Effect.callback<Socket, PlatformError>((resume) =>
    open(path, constants.O_RDONLY | constants.O_NONBLOCK, (error, fd) =>
      resume(
        error === null
          ? Effect.sync(() => new Socket({ fd, readable: true, writable: false }))
          : Effect.fail(failed(error))
      ))
  )

const readPipe = (path: string) =>
  Stream.unwrap(
    Effect.map(openPipe(path), (socket) =>
      NodeStream.fromReadable<Uint8Array, PlatformError>({
        evaluate: () => socket,
        onError: failed
      }))
  )

/** The text of a file. */
export const read = Effect.fn("InputFile.read")(function*(path: string, { maxBytes, pipes }: Options) {
  const fs = yield* FileSystem.FileSystem
  const { size, type } = yield* Effect.mapError(fs.stat(path), ofPlatform)
  switch (type) {
    case "Directory":
      return yield* because(text`it is a folder`)
    case "FIFO":
      return yield* pipes ? decode(readPipe(path), maxBytes) : because(text`it is a pipe, and no file`)
    case "File":
      return yield* size > maxBytes
        ? tooLarge(maxBytes)
        : decode(fs.stream(path, { bytesToRead: maxBytes + 1 }), maxBytes)
    default:
      return yield* because(text`it is not a file`)
  }
})
