/**
 * The framing between a host and a lane: `[u32 payload length][u32 cell][u8 kind][utf8 payload]`, little endian.
 *
 * Both sides load this module, and a lane loads nothing it does not need: no Effect here.
 *
 * @since 0.1.0
 */
import type { Writable } from "node:stream"
import type { Deterministic } from "../Isolate.ts"
import { FrameReader, keptBytes, type Verdict } from "../system/Framing.ts"

/**
 * What a frame says. The host sends `Start`, `Resolve`, `Reject`, `Resume`, `Stop`, `Hold` and `LetGo`; the rest comes from
 * the lane.
 *
 * @category models
 * @since 0.1.0
 */
export const Kind = {
  /** The lane is up. The user it runs as, if it has one of its own. */
  Ready: 0,
  /** An `IsolateEvent` as JSON, in which the input of a tool call is a value and no text. */
  Event: 1,
  /** The lane is not fit for more cells. */
  Retired: 2,
  /** A `Program` as JSON. */
  Start: 3,
  /** A tool call's id, a space, and its result as JSON. */
  Resolve: 4,
  /** A tool call's id, a space, and its error text as a JSON string. */
  Reject: 5,
  /** To a deterministic cell, with its turn as JSON. */
  Resume: 6,
  Stop: 7,
  /** Nothing of a cell that has ended runs any more. */
  Left: 8,
  /** A cell has been computing for a while, without a pause. */
  Busy: 9,
  /** A busy cell has paused. */
  Idle: 10,
  /** A cell is to put out no more for now. */
  Hold: 11,
  LetGo: 12
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
  /** The places of the tools that take several arguments. */
  readonly variadic: ReadonlyArray<number>
  readonly stored: string
  readonly pausable: boolean
  readonly contentTakesResults: boolean
  readonly locatesCalls: boolean
  readonly heapMebibytes: number
  /** Processor time; none where there is no bound. */
  readonly maxCpuMillis?: number
  readonly maxPendingToolCalls: number
  /** Bytes of UTF-8 in the inputs of unanswered tool calls; one that comes while there are none may be longer. */
  readonly maxPendingInputBytes: number
  /** The longest event in bytes that the host takes of this cell. */
  readonly maxEventBytes: number
  readonly deterministic?: Deterministic | undefined
}

/**
 * The latest time at which a deterministic cell's timer can be due, in milliseconds since 1970.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxDue = 999_999_999_999_999

/**
 * The longest payload in bytes that either side takes.
 *
 * @category models
 * @since 0.1.0
 */
export const maxPayload = 256 * 1024 * 1024

/**
 * The longest text of a cell's error in bytes of UTF-8. The host cuts off what is past it.
 *
 * @category models
 * @since 0.1.0
 */
export const maxErrorTextBytes = 256 * 1024

const headerLength = 9

/** Node makes smaller ones from one that it holds ready. */
const smallBytes = 4096
const none = Buffer.alloc(0)

interface Frame {
  readonly cell: number
  readonly kind: number
  readonly payload: string
  readonly rest: string
  readonly length: number
}

/**
 * Makes a function that sends frames. All frames of one tick go out in one write, and then `onWritten` is called.
 *
 * It gives `false` where the payload is longer than `maxPayload`; nothing is sent then. The payload may come in two parts, which
 * would have to be copied to make one text of them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeWriter = (stream: Writable, onWritten: () => void = () => {}) => {
  let waiting: Array<Frame> = []
  let size = 0
  /** What is kept, and whether the stream still has it. */
  let scratch = none
  let isScratchTaken = false

  const allocate = (size: number): Buffer => {
    if (size <= smallBytes || size > keptBytes || isScratchTaken) {
      return Buffer.allocUnsafe(size)
    }
    if (scratch.length < size) {
      scratch = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(size)))
    }
    isScratchTaken = true
    return scratch.subarray(0, size)
  }

  const giveBack = () => {
    isScratchTaken = false
  }

  const flush = () => {
    const bytes = allocate(size)
    const isScratch = bytes.buffer === scratch.buffer
    let offset = 0
    for (const { cell, kind, payload, rest, length } of waiting) {
      bytes.writeUInt32LE(length, offset)
      bytes.writeUInt32LE(cell, offset + 4)
      bytes[offset + 8] = kind
      const written = bytes.write(payload, offset + headerLength, length, "utf8")
      if (rest !== "") {
        bytes.write(rest, offset + headerLength + written, length - written, "utf8")
      }
      offset += headerLength + length
    }
    waiting = []
    size = 0
    if (stream.writable) {
      stream.write(bytes, isScratch ? giveBack : undefined)
      onWritten()
    } else if (isScratch) {
      giveBack()
    }
  }

  return (cell: number, kind: number, payload = "", rest = ""): boolean => {
    const length = Buffer.byteLength(payload) + (rest === "" ? 0 : Buffer.byteLength(rest))
    if (length > maxPayload) {
      return false
    }
    if (waiting.length === 0) {
      queueMicrotask(flush)
    }
    waiting.push({ cell, kind, payload, rest, length })
    size += headerLength + length
    return true
  }
}

const cellOf = (header: Buffer) => header.readUInt32LE(4)
const kindOf = (header: Buffer) => header.readUInt8(8)

/**
 * Reads frames, each of which is judged before any of its payload is kept.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeJudgingReader = (
  judge: (cell: number, kind: number, length: number) => Verdict,
  onFrame: (cell: number, kind: number, payload: Buffer) => boolean
) =>
  new FrameReader(
    { headerLength, lengthOf: (header) => header.readUInt32LE(0) },
    (header, length) => judge(cellOf(header), kindOf(header), length),
    (payload, header) => onFrame(cellOf(header), kindOf(header), payload)
  )

/**
 * Makes a function that takes bytes in pieces of any size and hands on whole frames.
 *
 * It gives `false`, for good, once a frame is longer than `maxPayload`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeReader = (onFrame: (cell: number, kind: number, payload: string) => void) => {
  const reader = makeJudgingReader(
    (_cell, _kind, length) => length > maxPayload ? "stop" : "take",
    (cell, kind, payload) => {
      onFrame(cell, kind, payload.toString("utf8"))
      return true
    }
  )
  return (piece: Buffer): boolean => reader.push(piece)
}
