/**
 * What one reader is told, in order: things can be put in from anywhere, and each is known to have been sent.
 *
 * @internal
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"

interface Item<A> {
  readonly value: A
  readonly onSent: (() => void) | undefined
}

/** Things that are handed on together. */
const batch = 64

export class Feed<A, E = never> {
  private waiting: Array<Item<A>> = []
  private sending: ReadonlyArray<Item<A>> = []
  private end_: Effect.Effect<never, E | Cause.Done> | undefined
  private reader: (() => void) | undefined

  /** Puts something in. The result takes it back, if it is not on its way. */
  offer(value: A, onSent?: () => void): () => void {
    const item = { value, onSent }
    if (this.end_ === undefined) {
      this.waiting.push(item)
      this.reader?.()
    }
    return () => {
      this.waiting = this.waiting.filter((other) => other !== item)
    }
  }

  /** Nothing comes after what was put in. */
  end(): void {
    this.close(Cause.done())
  }

  fail(error: E): void {
    this.close(Effect.fail(error))
  }

  private close(end: Effect.Effect<never, E | Cause.Done>): void {
    this.end_ ??= end
    this.reader?.()
  }

  /** For one reader. To ask for more says that what was given before has been sent. */
  readonly stream: Stream.Stream<A, E> = Stream.fromPull(Effect.succeed(
    Effect.callback<Arr.NonEmptyReadonlyArray<A>, E | Cause.Done>((resume) => {
      const sent = this.sending
      this.sending = []
      sent.forEach(({ onSent }) => onSent?.())
      const take = () => {
        if (this.waiting.length > 0) {
          this.reader = undefined
          this.sending = this.waiting.splice(0, batch)
          resume(Effect.succeed(this.sending.map(({ value }) => value) as unknown as Arr.NonEmptyReadonlyArray<A>))
        } else if (this.end_ !== undefined) {
          this.reader = undefined
          resume(this.end_)
        } else {
          this.reader = take
        }
      }
      take()
      return Effect.sync(() => {
        this.reader = undefined
      })
    }) as Pull.Pull<Arr.NonEmptyReadonlyArray<A>, E>
  ))
}
