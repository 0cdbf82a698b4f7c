/**
 * The way out to one client: messages leave in the order in which they were posted, as fast as the client reads.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { Writable } from "node:stream"
import * as Frame from "./Frame.ts"
import * as Message from "./Message.ts"

/** A message that was posted. */
export interface Letter {
  readonly frame: Buffer
}

const roomBytes = 1024 * 1024
const roomLetters = 8192

/** Frames of the greatest length that may be unread before their reader is heard no further. */
const crowdedFrames = 4

export class Outgoing {
  private readonly stream: Writable
  private readonly maxPayload: number
  private readonly letters = new Set<Letter>()
  private readonly jobs = new Set<() => void>()
  private bytes = 0
  private scheduled = false
  private blocked = false
  private sealed = false
  private closed = false
  private onEmpty: (() => void) | undefined

  constructor(stream: Writable, maxPayload = Frame.maxPayload) {
    this.stream = stream
    this.maxPayload = maxPayload
    stream.on("drain", () => {
      this.blocked = false
      this.pump()
    })
    stream.on("error", () => this.close())
    stream.on("close", () => this.close())
  }

  /** Sends a message. What is posted within one tick goes out in one write. */
  post(message: Message.HostMessage): Letter | Frame.FrameError {
    const frame = Frame.encode(Message.encode(message), this.maxPayload)
    if (frame instanceof Frame.FrameError) {
      return frame
    }
    const letter: Letter = { frame }
    if (!this.sealed) {
      this.letters.add(letter)
      this.bytes += frame.length
      if (!this.scheduled) {
        this.scheduled = true
        queueMicrotask(this.pump)
      }
    }
    return letter
  }

  /** Takes a message back. False if it is on its way, as everything is while the client reads. */
  withdraw(letter: Letter): boolean {
    const waits = this.blocked && this.letters.has(letter)
    if (waits) {
      this.remove(letter)
    }
    return waits
  }

  /** Runs `job` now, or once the client has read enough. The result takes a job that still waits out of the queue. */
  whenRoom(job: () => void): () => void {
    if (this.hasRoom() && this.jobs.size === 0) {
      job()
      return () => {}
    }
    // A fresh function: the same job may wait twice.
    const entry = () => job()
    this.jobs.add(entry)
    return () => this.jobs.delete(entry)
  }

  /** Waits for room. */
  readonly room: Effect.Effect<void> = Effect.callback((resume) => {
    const leave = this.whenRoom(() => resume(Effect.void))
    return Effect.sync(leave)
  })

  /** Whether the client asks and asks, and does not read. */
  isCrowded(): boolean {
    return this.letters.size >= roomLetters || this.bytes >= crowdedFrames * this.maxPayload
  }

  /** From here on nothing is posted. */
  seal(): void {
    this.sealed = true
  }

  /** Waits until everything that was posted has been handed over, or nobody is there to take it. */
  readonly flush: Effect.Effect<void> = Effect.callback((resume) => {
    const done = () => resume(Effect.void)
    this.stream.once("close", done)
    this.onEmpty = () => {
      if (this.closed) {
        done()
      } else {
        this.stream.write("", done)
      }
    }
    this.pump()
  })

  private hasRoom(): boolean {
    return this.bytes + this.stream.writableLength < roomBytes && this.letters.size < roomLetters
  }

  private remove(letter: Letter): void {
    this.letters.delete(letter)
    this.bytes -= letter.frame.length
  }

  private close(): void {
    this.sealed = true
    this.closed = true
    this.letters.clear()
    this.bytes = 0
    this.onEmpty?.()
    // Whoever waited for room finds that nobody is there.
    const jobs = [...this.jobs]
    this.jobs.clear()
    jobs.forEach((job) => job())
  }

  private readonly pump = () => {
    this.scheduled = false
    this.stream.cork()
    for (const letter of this.letters) {
      if (this.blocked || this.closed) {
        break
      }
      this.remove(letter)
      this.blocked = !this.stream.write(letter.frame)
    }
    this.stream.uncork()
    for (const job of this.jobs) {
      if (!this.hasRoom()) {
        break
      }
      this.jobs.delete(job)
      job()
    }
    if (this.letters.size === 0) {
      this.onEmpty?.()
    }
  }
}
