/**
 * The way out to one reader: frames leave in the order in which they were posted, as fast as they are read.
 *
 * @internal
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"

/** A frame that was posted. */
export interface Letter {
  readonly frame: Uint8Array
}

const roomBytes = 1024 * 1024
const roomLetters = 8192

/** Frames go out together up to this length. */
const batchBytes = 64 * 1024

/** Frames of the greatest length that may be unread before their reader is heard no further. */
const crowdedFrames = 4

export class Outgoing {
  private readonly maxPayload: number
  private readonly letters = new Set<Letter>()
  private readonly jobs = new Set<() => void>()
  private readonly flushers = new Set<() => void>()
  /** Of the letters, and of what is being written. */
  private bytes = 0
  private writing = 0
  /** Takes what is written next, if nothing is being written. */
  private writer: (() => void) | undefined
  private scheduled = false
  private sealed = false
  private closed = false

  constructor(maxPayload: number) {
    this.maxPayload = maxPayload
  }

  /** Sends a frame. What is posted within one tick goes out in one write. */
  post(frame: Uint8Array): Letter {
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

  /** Takes a letter back. False if it is on its way, as everything is while the reader reads. */
  withdraw(letter: Letter): boolean {
    const waits = this.writer === undefined && this.letters.has(letter)
    if (waits) {
      this.remove(letter)
    }
    return waits
  }

  /** Runs `job` now, or once the reader has read enough. The result takes a job that still waits out of the queue. */
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

  /** Waits until a reader that asks and asks reads, too. */
  readonly uncrowded: Effect.Effect<void> = Effect.suspend(() =>
    this.letters.size >= roomLetters || this.bytes >= crowdedFrames * this.maxPayload ? this.room : Effect.void
  )

  /** From here on nothing is posted. */
  seal(): void {
    this.sealed = true
  }

  /** The other side reads no more. */
  close(): void {
    this.sealed = true
    this.closed = true
    this.letters.clear()
    this.bytes = 0
    this.pump()
  }

  /** Waits until everything that was posted has been written, or the other side is gone. */
  readonly flush: Effect.Effect<void> = Effect.callback((resume) => {
    const done = () => resume(Effect.void)
    this.flushers.add(done)
    this.pump()
    return Effect.sync(() => this.flushers.delete(done))
  })

  /** Writes what is posted, until there is nothing that takes it any more. */
  writeTo<E, R>(output: Sink.Sink<unknown, Uint8Array, unknown, E, R>): Effect.Effect<void, E, R> {
    return Stream.run(this.stream, output).pipe(Effect.ensuring(Effect.sync(() => this.close())), Effect.asVoid)
  }

  /** What is to be written. To ask for more says that what was given before has been written. */
  readonly stream: Stream.Stream<Uint8Array> = Stream.fromPull(Effect.succeed(
    Effect.callback<Arr.NonEmptyReadonlyArray<Uint8Array>, Cause.Done>((resume) => {
      this.bytes -= this.writing
      this.writing = 0
      this.writer = () => resume(this.closed ? Cause.done() : Effect.succeed([this.take()]))
      this.pump()
      return Effect.sync(() => {
        this.writer = undefined
      })
    }) as Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>>
  ))

  private hasRoom(): boolean {
    return this.closed || (this.bytes < roomBytes && this.letters.size < roomLetters)
  }

  private remove(letter: Letter): void {
    this.letters.delete(letter)
    this.bytes -= letter.frame.length
  }

  private take(): Uint8Array {
    const batch: Array<Uint8Array> = []
    for (const letter of this.letters) {
      if (batch.length > 0 && this.writing + letter.frame.length > batchBytes) {
        break
      }
      batch.push(letter.frame)
      this.letters.delete(letter)
      this.writing += letter.frame.length
    }
    return batch.length === 1 ? batch[0]! : Buffer.concat(batch)
  }

  private readonly pump = () => {
    this.scheduled = false
    if (this.writer !== undefined && (this.letters.size > 0 || this.closed)) {
      const { writer } = this
      this.writer = undefined
      writer()
    }
    for (const job of this.jobs) {
      if (!this.hasRoom()) {
        break
      }
      this.jobs.delete(job)
      job()
    }
    if (this.closed || (this.letters.size === 0 && this.writer !== undefined)) {
      this.flushers.forEach((done) => done())
      this.flushers.clear()
    }
  }
}
