/**
 * The one message of a call's request: a byte of flags, four of its length, big endian, and the message.
 *
 * @internal
 */
import { FrameReader, type Framing } from "../../system/Framing.ts"
import { type Status, status } from "./Status.ts"

export const headerLength = 5

const framing: Framing = { headerLength, lengthOf: (header) => header.readUInt32BE(1) }

/** What a client can have sent of all its unfinished requests together, in messages of the greatest length. */
const mostMessages = 4

/** Bytes of the requests of one client that are not complete. */
export class Unfinished {
  private readonly most: number
  bytes = 0

  constructor(maxMessageBytes: number) {
    this.most = mostMessages * maxMessageBytes
  }

  isTooMuch(): boolean {
    return this.bytes > this.most
  }
}

const problemOf = (flags: number, length: number, max: number): Status | undefined => {
  if (flags === 1) {
    return status(
      "INTERNAL",
      "protocol error: received message with compressed-flag but no grpc-encoding was specified"
    )
  }
  if (flags > 1) {
    return status(
      "INTERNAL",
      `protocol error: received message with invalid compression flag: ${flags} (valid flags are 0 and 1), `
        + "while sending request"
    )
  }
  return length > max
    ? status(
      "OUT_OF_RANGE",
      `Error, decoded message length too large: found ${length} bytes, the limit is: ${max} bytes`
    )
    : undefined
}

export class RequestReader {
  private readonly max: number
  private readonly unfinished: Unfinished
  private reader: FrameReader | undefined
  private problem: Status | undefined
  private message: Buffer | undefined
  private counted = 0

  constructor(maxMessageBytes: number, unfinished: Unfinished) {
    this.max = maxMessageBytes
    this.unfinished = unfinished
  }

  /** What is wrong with it, as soon as that is known. What comes after the message is ignored. */
  push(piece: Buffer): Status | undefined {
    if (this.message !== undefined) {
      return undefined
    }
    this.reader ??= this.makeReader()
    if (!this.reader.push(piece)) {
      return this.problem
    }
    this.unfinished.bytes += piece.length
    this.counted += piece.length
    return this.unfinished.isTooMuch()
      ? status("RESOURCE_EXHAUSTED", "code-mode client has too many unfinished requests")
      : undefined
  }

  /** The message, once everything has come. */
  end(): Buffer | Status {
    return this.message ?? status(
      "INTERNAL",
      this.reader === undefined ? "Missing request message." : "Unexpected EOF decoding stream."
    )
  }

  /** From here on it does not count as unfinished. */
  release(): void {
    this.unfinished.bytes -= this.counted
    this.counted = 0
  }

  private makeReader(): FrameReader {
    return new FrameReader(
      framing,
      (header, length) => {
        this.problem = problemOf(header[0]!, length, this.max)
        return this.problem === undefined ? "take" : "stop"
      },
      (payload) => {
        // It is this reader's last: nothing else comes to lie in its place.
        this.message = payload
        return false
      }
    )
  }
}
