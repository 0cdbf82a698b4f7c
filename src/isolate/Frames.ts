/**
 * The framing between a host and a lane: `[u32 payload length][u32 cell][u8 kind][utf8 payload]`, little endian.
 *
 * Both sides load this module, and a lane loads nothing it does not need: no Effect here.
 *
 * @since 0.1.0
 */
import type { Writable } from "node:stream"

/**
 * What a frame says. The host sends `Start`, `Resolve`, `Reject`, `Resume` and `Stop`; the rest comes from the lane.
 *
 * @category models
 * @since 0.1.0
 */
export const Kind = {
  /** The lane is up. The user it runs as, if it has one of its own. */
  Ready: 0,
  /** An `IsolateEvent` as JSON. */
  Event: 1,
  /** The lane is not fit for more cells. */
  Retired: 2,
  /** A `Program` as JSON. */
  Start: 3,
  /** A tool call's id, a space, and its result as JSON. */
  Resolve: 4,
  /** A tool call's id, a space, and its error text as a JSON string. */
  Reject: 5,
  Resume: 6,
  Stop: 7,
  /** Nothing of a cell that has ended runs any more. */
  Left: 8,
  /** A cell has been computing for a while, without a pause. */
  Busy: 9,
  /** A busy cell has paused. */
  Idle: 10
} as const

/**
 * A program as it goes to a lane. `tools` is the JSON of `ALL_TOOLS`, `stored` of the stored values' entries.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProgramFrame {
  readonly source: string
  readonly tools: string
  readonly stored: string
  readonly pausable: boolean
  readonly heapMebibytes: number
  /** Processor time; none where there is no bound. */
  readonly maxCpuMillis?: number
  readonly maxPendingToolCalls: number
}

/**
 * The longest payload in bytes that either side takes.
 *
 * @category models
 * @since 0.1.0
 */
export const maxPayload = 256 * 1024 * 1024

const headerLength = 9

interface Frame {
  readonly cell: number
  readonly kind: number
  readonly payload: string
  readonly length: number
}

/**
 * Makes a function that sends frames. All frames of one tick go out in one write.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeWriter = (stream: Writable) => {
  let waiting: Array<Frame> = []
  let size = 0

  const flush = () => {
    const bytes = Buffer.allocUnsafe(size)
    let offset = 0
    for (const { cell, kind, payload, length } of waiting) {
      bytes.writeUInt32LE(length, offset)
      bytes.writeUInt32LE(cell, offset + 4)
      bytes[offset + 8] = kind
      bytes.write(payload, offset + headerLength, length, "utf8")
      offset += headerLength + length
    }
    waiting = []
    size = 0
    if (stream.writable) {
      stream.write(bytes)
    }
  }

  return (cell: number, kind: number, payload = "") => {
    const length = Buffer.byteLength(payload)
    if (waiting.length === 0) {
      queueMicrotask(flush)
    }
    waiting.push({ cell, kind, payload, length })
    size += headerLength + length
  }
}

/**
 * Makes a function that takes bytes in pieces of any size and hands on whole frames.
 *
 * It gives `false`, for good, once a frame is longer than `maxPayload`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeReader = (onFrame: (cell: number, kind: number, payload: string) => void) => {
  let pieces: Array<Buffer> = []
  let have = 0
  let need = headerLength
  let broken = false

  return (piece: Buffer): boolean => {
    pieces.push(piece)
    have += piece.length
    if (broken || have < need) {
      return !broken
    }
    const bytes = pieces.length === 1 ? piece : Buffer.concat(pieces, have)
    let offset = 0
    need = headerLength
    while (have - offset >= headerLength) {
      const length = bytes.readUInt32LE(offset)
      if (length > maxPayload) {
        broken = true
        return false
      }
      const end = offset + headerLength + length
      if (end > have) {
        need = headerLength + length
        break
      }
      const payload = bytes.toString("utf8", offset + headerLength, end)
      onFrame(bytes.readUInt32LE(offset + 4), bytes.readUInt8(offset + 8), payload)
      offset = end
    }
    pieces = offset === have ? [] : [bytes.subarray(offset)]
    have -= offset
    return true
  }
}
