/**
 * Frames out of bytes that come in pieces of any size, whatever the header looks like. No Effect here: a lane loads it.
 *
 * @internal
 */

/** A buffer up to this size stays for what comes next: one that is fresh has to be mapped and cleared first. */
export const keptBytes = 4 * 1024 * 1024

const none = Buffer.alloc(0)

/**
 * How many times as long the buffer of a payload becomes when it is full. Each time its bytes are copied into memory that
 * has to be mapped; what is not filled of it never is.
 */
const growth = 8

/** What a frame begins with. */
export interface Framing {
  readonly headerLength: number
  /** The bytes of the payload, which its header tells. */
  readonly lengthOf: (header: Buffer) => number
}

/** What becomes of a frame of which only the header is there. After `stop`, nothing more is read. */
export type Verdict = "take" | "skip" | "stop"

/**
 * Asks about each frame before it keeps any of it, and hands on those that are taken once they are whole. Header and payload
 * are valid only while `judge` and `onFrame` run; `onFrame` says whether to go on.
 */
export class FrameReader {
  private readonly framing: Framing
  private readonly judge: (header: Buffer, length: number) => Verdict
  private readonly onFrame: (payload: Buffer, header: Buffer) => boolean
  private readonly header: Buffer
  private inHeader = 0
  /** What is missing of the payload, and whether it is kept. */
  private missing = 0
  private isTaken = false
  /** The start of a payload, in a buffer that grows as it fills: what is only announced takes no memory. */
  private kept: Buffer = none
  /** A payload that came in one piece. */
  private whole: Buffer | undefined
  private size = 0
  private isStopped = false

  constructor(
    framing: Framing,
    judge: (header: Buffer, length: number) => Verdict,
    onFrame: (payload: Buffer, header: Buffer) => boolean
  ) {
    this.framing = framing
    this.judge = judge
    this.onFrame = onFrame
    this.header = Buffer.alloc(framing.headerLength)
  }

  /** Gives `false`, for good, once it was told to stop. */
  push(piece: Buffer): boolean {
    const { headerLength } = this.framing
    let offset = 0
    while (!this.isStopped && offset < piece.length) {
      offset += this.inHeader < headerLength ? this.readHeader(piece, offset) : this.readPayload(piece, offset)
      if (this.inHeader === headerLength && this.missing === 0) {
        this.end()
      }
    }
    return !this.isStopped
  }

  /** Whether the last frame is complete. */
  isComplete(): boolean {
    return this.inHeader === 0
  }

  private readHeader(piece: Buffer, offset: number): number {
    const { framing, header } = this
    const read = piece.copy(header, this.inHeader, offset, offset + header.length - this.inHeader)
    this.inHeader += read
    if (this.inHeader === header.length) {
      this.missing = framing.lengthOf(header)
      const verdict = this.judge(header, this.missing)
      this.isTaken = verdict === "take"
      this.isStopped = verdict === "stop"
    }
    return read
  }

  private readPayload(piece: Buffer, offset: number): number {
    const part = piece.subarray(offset, offset + this.missing)
    this.missing -= part.length
    if (this.isTaken && this.size === 0 && this.missing === 0) {
      this.whole = part
    } else if (this.isTaken) {
      this.keep(part)
    }
    return part.length
  }

  private keep(part: Buffer): void {
    const size = this.size + part.length
    if (size > this.kept.length) {
      const larger = Buffer.allocUnsafe(Math.max(size, Math.min(growth * this.kept.length, size + this.missing)))
      this.kept.copy(larger, 0, 0, this.size)
      this.kept = larger
    }
    part.copy(this.kept, this.size)
    this.size = size
  }

  private end(): void {
    const payload = this.whole ?? this.kept.subarray(0, this.size)
    this.inHeader = 0
    this.whole = undefined
    this.size = 0
    if (this.isTaken && !this.isStopped) {
      this.isStopped = !this.onFrame(payload, this.header)
    }
    if (this.kept.length > keptBytes) {
      this.kept = none
    }
  }
}
