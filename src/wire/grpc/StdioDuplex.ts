/**
 * Standard input and output as one duplex stream, for what takes nothing else.
 *
 * @internal
 */
import { Socket } from "node:net"
import { Duplex } from "node:stream"

const readBytes = 64 * 1024

/** Turns of the loop until node has written the end of an answer whose head it has written. */
const turns = 3

/** What is written at once at the least, unless there is no more for now. */
const togetherBytes = 64 * 1024

type Callback = (error?: Error | null) => void

class StdioDuplex extends Duplex {
  private readonly input: Socket
  private readonly output: Socket
  private collected: Array<Buffer> = []
  private collectedBytes = 0

  constructor(input: number, output: number) {
    super({ allowHalfOpen: true })
    const buffer = Buffer.allocUnsafeSlow(readBytes)
    this.input = new Socket({
      fd: input,
      readable: true,
      writable: false,
      // One buffer for everything that is read: a reader that is there has taken it before the next read.
      onread: {
        buffer,
        callback: (length) => {
          const isRead = this.readableFlowing === true && this.readableLength === 0
          const read = buffer.subarray(0, length)
          return this.push(isRead ? read : Buffer.from(read))
        }
      }
    })
    this.output = new Socket({ fd: output, readable: false, writable: true })
    this.input.on("end", () => this.push(null)).on("error", (error) => this.destroy(error))
    this.output.on("error", (error) => this.destroy(error)).on("close", () => this.destroy())
  }

  override _read(): void {
    this.input.resume()
  }

  override _write(chunk: Buffer, _encoding: string, callback: Callback): void {
    this.collect([{ chunk }], callback)
  }

  override _writev(chunks: ReadonlyArray<{ readonly chunk: Buffer }>, callback: Callback): void {
    this.collect(chunks, callback)
  }

  /** Of an answer, the head, the message and the end come one by one. They leave together, some turns of the loop later. */
  private collect(chunks: ReadonlyArray<{ readonly chunk: Buffer }>, callback: Callback): void {
    for (const { chunk } of chunks) {
      this.collected.push(chunk)
      this.collectedBytes += chunk.length
    }
    if (this.collectedBytes >= togetherBytes || this.output.writableNeedDrain) {
      return this.flush(callback)
    }
    if (this.collected.length === chunks.length) {
      this.flushLater(turns)
    }
    callback()
  }

  private flushLater(turns: number): void {
    // oxlint-disable-next-line no-restricted-globals -- it is about turns of the loop, for which Effect has no word
    setImmediate(() => turns === 1 ? this.flush() : this.flushLater(turns - 1))
  }

  private flush(callback?: Callback): void {
    const { collected, output } = this
    if (collected.length === 0) {
      return callback?.()
    }
    this.collected = []
    this.collectedBytes = 0
    output.cork()
    collected.forEach((chunk, index) => output.write(chunk, index === collected.length - 1 ? callback : undefined))
    output.uncork()
  }

  override _final(callback: Callback): void {
    this.flush()
    this.output.end(() => callback())
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.input.destroy()
    this.output.destroy()
    callback(error)
  }
}

export const make = (input = 0, output = 1): Duplex => new StdioDuplex(input, output)
