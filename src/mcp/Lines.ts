/**
 * Cuts what is written at the other end into lines, and skips those that are too long.
 *
 * @internal
 */
import * as Utf8 from "../text/Utf8.ts"
import * as Limits from "./Limits.ts"

export interface Listener {
  readonly onLine: (line: string) => void
  /** A line has become too long: how it begins. The rest of it is skipped. */
  readonly onTooLong: (head: string) => void
  /** A line that was too long has ended: how it ends. */
  readonly onSkipped: (tail: string) => void
  /** So much was skipped that no end of the line is to be expected. */
  readonly onEndless: () => void
}

const newline = 10

/** How much of a line that is too long is looked at, at its beginning and its end, in bytes. */
const looked = 1024

const textOf = (bytes: Uint8Array) => Utf8.view(bytes).toString()

/** Takes the bytes of a stream, chunk by chunk. */
export const make = (
  listener: Listener,
  maxMessageBytes: number = Limits.maxMessageBytes
): (chunk: Uint8Array) => void => {
  let parts: Array<Uint8Array> = []
  let length = 0
  let skipped: Uint8Array | undefined

  const add = (part: Uint8Array) => {
    length += part.length
    if (skipped !== undefined) {
      skipped = Buffer.concat([skipped, part.subarray(-looked)]).subarray(-looked)
      if (length > Limits.maxSkippedBytes) {
        listener.onEndless()
      }
      return
    }
    parts.push(part)
    if (length > maxMessageBytes) {
      skipped = part.subarray(-looked)
      const head = Buffer.concat(parts.slice(0, looked), Math.min(looked, length))
      parts = []
      listener.onTooLong(textOf(head))
    }
  }

  const end = () => {
    if (skipped === undefined) {
      listener.onLine(textOf(parts.length === 1 ? parts[0]! : Buffer.concat(parts)))
    } else {
      listener.onSkipped(textOf(skipped))
    }
    parts = []
    length = 0
    skipped = undefined
  }

  return (chunk) => {
    let start = 0
    for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, start)) {
      add(chunk.subarray(start, at))
      end()
      start = at + 1
    }
    if (start < chunk.length) {
      add(chunk.subarray(start))
    }
  }
}
