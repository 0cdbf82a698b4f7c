/**
 * Frames: four bytes with the length of a payload, little endian, and the payload.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import { constants } from "node:buffer"
import { FrameReader } from "../system/Framing.ts"

/** The longest payload in bytes, in both directions, unless it is said otherwise. */
export const maxPayload = 64 * 1024 * 1024

/** The same, where it may be said otherwise: a text longer than a string cannot be read. */
export const maxPayloadOf = (bytes: number | undefined): number =>
  Math.min(bytes ?? maxPayload, constants.MAX_STRING_LENGTH)

const headerLength = 4

/** The bytes are no frames, or a payload does not fit into one. */
export class FrameError extends Schema.TaggedError<FrameError>("effect-code-mode/host/FrameError")("FrameError", {
  message: Schema.String
}) {}

const tooLong = (length: number, max: number) =>
  new FrameError({ message: `code-mode IPC frame length ${length} exceeds ${max} bytes` })

/** A payload as a frame. */
export const encode = (payload: string, max = maxPayload): Buffer | FrameError => {
  const length = Buffer.byteLength(payload)
  if (length > max) {
    return tooLong(length, max)
  }
  const frame = Buffer.allocUnsafe(headerLength + length)
  frame.writeUInt32LE(length, 0)
  frame.write(payload, headerLength, length, "utf8")
  return frame
}

/** Takes bytes in pieces of any size, and hands on each payload once it is complete. */
export class Decoder {
  private readonly reader: FrameReader
  private error: FrameError | undefined

  constructor(onPayload: (payload: Buffer) => void, max = maxPayload) {
    this.reader = new FrameReader(
      { headerLength, lengthOf: (header) => header.readUInt32LE(0) },
      (_header, length) => {
        this.error = length > max ? tooLong(length, max) : undefined
        return this.error === undefined ? "take" : "stop"
      },
      (payload) => {
        onPayload(payload)
        return true
      }
    )
  }

  /** A payload is valid only while `onPayload` runs. After an error nothing more is read. */
  push(piece: Buffer): FrameError | undefined {
    this.reader.push(piece)
    return this.error
  }

  /** Whether the last frame is complete. */
  isComplete(): boolean {
    return this.reader.isComplete()
  }
}
