/**
 * Standard input and output as one duplex stream, for node's HTTP/2, which takes nothing else.
 *
 * **Details**
 *
 * It has of a stream what HTTP/2 asks of one: a whole one takes longer for each call. What is read is copied by its
 * reader before it goes on.
 *
 * @internal
 */
import { EventEmitter } from "node:events"
import { Socket } from "node:net"
import type { Duplex } from "node:stream"

const readBytes = 64 * 1024

/** Turns of the loop until node has written the end of an answer whose head it has written. */
const turns = 3

/** What is written at once at the least, unless there is no more for now. */
const togetherBytes = 64 * 1024

type Callback = (error?: Error | null) => void

class StdioDuplex extends EventEmitter {
  readonly readable = true
  readonly writable = true
  private readonly input: Socket
  private readonly output: Socket
  private collected: Array<Buffer> = []
  private collectedBytes = 0
  private isDestroyed = false

  constructor(input: number, output: number) {
    super()
    const buffer = Buffer.allocUnsafeSlow(readBytes)
    this.input = new Socket({
      fd: input,
      readable: true,
      writable: false,
      onread: {
        buffer,
        callback: (length) => {
          this.emit("data", buffer.subarray(0, length))
          return true
        }
      }
    })
    this.output = new Socket({ fd: output, readable: false, writable: true })
    this.input.pause().on("end", () => this.emit("end")).on("error", (error) => this.destroy(error))
    this.output.on("error", (error) => this.destroy(error)).on("close", () => this.destroy())
  }

  pause(): void {
    this.input.pause()
  }

  resume(): void {
    this.input.resume()
  }

  // Everything is written together anyway.
  cork(): void {}
  uncork(): void {}

  /** Of an answer, the head, the message and the end come one by one. They leave together, some turns of the loop later. */
  write(chunk: Buffer, callback: Callback): void {
    this.collected.push(chunk)
    this.collectedBytes += chunk.length
    if (this.collectedBytes >= togetherBytes || this.output.writableNeedDrain) {
      return this.flush(callback)
    }
    if (this.collected.length === 1) {
      this.flushLater(turns)
    }
    callback()
  }

  private flushLater(turns: number): void {
    // oxlint-disable-next-line no-restricted-globals -- it is about turns of the loop, for which Effect has no word
    setImmediate(() => turns === 1 ? this.flush() : this.flushLater(turns - 1))
  }

  private flush(callback?: Callback): void {
    const { collected, collectedBytes, output } = this
    if (collected.length === 0) {
      return callback?.()
    }
    this.collected = []
    this.collectedBytes = 0
    if (collectedBytes < togetherBytes) {
      // To copy a few small pieces takes less than to write each.
      output.write(Buffer.concat(collected, collectedBytes), callback)
      return
    }
    output.cork()
    collected.forEach((chunk, index) => output.write(chunk, index === collected.length - 1 ? callback : undefined))
    output.uncork()
  }

  end(callback: Callback): void {
    this.flush()
    this.output.end(() => callback())
  }

  destroy(error?: Error): void {
    if (!this.isDestroyed) {
      this.isDestroyed = true
      this.input.destroy()
      this.output.destroy()
      queueMicrotask(() => {
        if (error !== undefined) {
          this.emit("error", error)
        }
        this.emit("close")
      })
    }
  }
}

export const make = (input = 0, output = 1): Duplex => new StdioDuplex(input, output) as EventEmitter as Duplex
