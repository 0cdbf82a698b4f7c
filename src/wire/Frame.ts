/**
 * Frames: four bytes with the length of a payload, little endian, and the payload.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import { constants } from "node:buffer"

/** The longest payload in bytes, in both directions, unless it is said otherwise. */
export const maxPayload = 64 * 1024 * 1024

/** The same, where it may be said otherwise: nobody can read a text that is longer than a string. */
export const maxPayloadOf = (bytes: number | undefined): number =>
  Math.min(bytes ?? maxPayload, constants.MAX_STRING_LENGTH)

const headerLength = 4

/** A buffer up to this size stays for what comes next: one that is fresh has to be mapped and cleared first. */
const keptBytes = 4 * 1024 * 1024
const none = Buffer.alloc(0)

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
  private readonly onPayload: (payload: Buffer) => void
  private readonly max: number
  /** The start of a frame, in a buffer that doubles as it fills: its cost is linear however small the pieces are. */
  private buffer: Buffer = none
  private size = 0
  private needed = headerLength

  constructor(onPayload: (payload: Buffer) => void, max = maxPayload) {
    this.onPayload = onPayload
    this.max = max
  }

  /** A payload is valid only while `onPayload` runs. After an error nothing more can be pushed. */
  push(piece: Buffer): FrameError | undefined {
    if (this.size === 0) {
      return this.take(piece)
    }
    this.append(piece)
    return this.size < this.needed ? undefined : this.take(this.buffer.subarray(0, this.size))
  }

  /** Whether the last frame is complete. */
  isComplete(): boolean {
    return this.size === 0
  }

  private take(bytes: Buffer): FrameError | undefined {
    let offset = 0
    this.needed = headerLength
    while (bytes.length - offset >= headerLength) {
      const length = bytes.readUInt32LE(offset)
      if (length > this.max) {
        return tooLong(length, this.max)
      }
      const end = offset + headerLength + length
      if (end > bytes.length) {
        this.needed = headerLength + length
        break
      }
      this.onPayload(bytes.subarray(offset + headerLength, end))
      offset = end
    }
    const rest = bytes.subarray(offset)
    this.size = 0
    if (this.buffer.length > keptBytes) {
      this.buffer = none
    }
    // It may overlap with where it goes, which is to the front.
    this.append(rest)
    return undefined
  }

  private append(piece: Buffer): void {
    const size = this.size + piece.length
    if (size > this.buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(size, Math.min(2 * this.buffer.length, this.needed)))
      this.buffer.copy(larger, 0, 0, this.size)
      this.buffer = larger
    }
    piece.copy(this.buffer, this.size)
    this.size = size
  }
}
